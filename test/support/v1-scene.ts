import type { CreateEndpointInput, CreateModelInput } from '../../src/contract/index.ts'
import type { NewKeyInput } from '../../src/identity/index.ts'
import { call } from './caller.ts'
import { type GatewayUnderTest, startTestGateway } from './gateway.ts'
import { type OpenaiBackend, openaiBackend } from './openai-backend.ts'

/** A gate with endpoints of its own and nothing else behind it. */
export interface V1Scene {
  readonly gate: GatewayUnderTest
  readonly key: string
  /** A scripted backend, as an endpoint of this name. */
  endpoint(name: string, over?: Partial<CreateEndpointInput>): Promise<OpenaiBackend>
  /** A model at some of the endpoints, under its own name there. */
  model(name: string, endpoints: readonly string[], over?: Partial<CreateModelInput>): Promise<void>
  chat(body?: Readonly<Record<string, unknown>>, key?: string): ReturnType<typeof call>
  newKey(over?: Partial<NewKeyInput>): Promise<string>
  close(): Promise<void>
}

export async function openV1Scene(env: Readonly<Record<string, string>> = {}): Promise<V1Scene> {
  const gate = await startTestGateway({ CHAT_ENABLED: 'false', DISCOVERY: 'false', ...env })
  const { text: key } = await gate.key()
  const backends: OpenaiBackend[] = []
  const { endpoints, models } = gate.gateway.house.models.manage
  return {
    gate,
    key,
    async endpoint(name, over = {}) {
      const backend = await openaiBackend()
      backends.push(backend)
      await endpoints.create({ name, url: backend.baseUrl, dialect: 'openai', ...over })
      return backend
    },
    async model(name, at, over = {}) {
      await models.create({ name, capability: 'text', endpoints: at.map((endpoint) => ({ endpoint, upstream: name })), ...over })
    },
    chat: (body = {}, as = key) =>
      call(gate.port, {
        path: '/v1/chat/completions',
        key: as,
        body: { model: 'm', messages: [{ role: 'user', content: 'hi' }], ...body },
      }),
    newKey: async (over) => (await gate.key(over)).text,
    async close() {
      await gate.stop()
      await Promise.all(backends.map((backend) => backend.close()))
    },
  }
}
