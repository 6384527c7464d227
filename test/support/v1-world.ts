import { type AnthropicBackend, anthropicBackend } from './anthropic-backend.ts'
import type { OpenaiBackend } from './openai-backend.ts'
import type { ScriptedBackend } from './scripted-backend.ts'
import { TRANSLATED, translatedBackend } from './translated-backend.ts'
import { V1_ASKS, type V1Ask, type V1Clients, v1Clients } from './v1-asks.ts'
import { openV1Scene, type V1Scene } from './v1-scene.ts'

/** A gate with a backend of each kind that speaks as its callers do, and a model for every way to ask. */
export interface V1World {
  readonly scene: V1Scene
  readonly open: OpenaiBackend
  readonly letters: AnthropicBackend
  readonly clients: V1Clients
  readonly foreign: ScriptedBackend
  /** Every way to ask, at each kind of backend that serves it. */
  readonly cases: readonly V1Case[]
  forget(): void
  close(): Promise<void>
}

/** A way to ask, the model that is asked for, and the backend that serves it. */
export interface V1Case {
  readonly ask: V1Ask
  readonly model: string
  readonly backend: OpenaiBackend | ScriptedBackend
}

/** The model to ask for; the renamed one has another name at its backend. */
export const modelOf = ({ speaks, capability }: V1Ask, renamed = false): string =>
  `${speaks === 'anthropic' ? 'letters' : capability}${renamed ? '-renamed' : ''}`

const askNamed = (name: string): V1Ask => {
  const ask = V1_ASKS.find((one) => one.name === name)
  if (ask === undefined) throw new Error(`there is no way to ask for ${name}`)
  return ask
}

export async function openV1World(env: Readonly<Record<string, string>> = {}): Promise<V1World> {
  const scene = await openV1Scene(env)
  const [open, letters, foreign] = [await scene.endpoint('open'), await anthropicBackend(), await translatedBackend()]
  const { endpoints } = scene.gate.gateway.house.models.manage
  await endpoints.create({ name: 'letters', url: letters.url, dialect: 'anthropic' })
  const made = new Set<string>()
  const model = async (name: string, { capability }: V1Ask, endpoint: string, upstream: string | null): Promise<void> => {
    if (made.has(name)) return
    made.add(name)
    await scene.model(name, [], { capability, endpoints: [{ endpoint, upstream }] })
  }
  const cases: V1Case[] = []
  for (const ask of V1_ASKS) {
    for (const renamed of [false, true]) {
      const [name, isLetters] = [modelOf(ask, renamed), ask.speaks === 'anthropic']
      await model(name, ask, isLetters ? 'letters' : 'open', renamed ? 'weights-of-august' : name)
      cases.push({ ask, model: name, backend: isLetters ? letters : open })
    }
  }
  for (const [dialect, way] of TRANSLATED) {
    const ask = askNamed(way)
    if (!made.has(dialect)) await endpoints.create({ name: dialect, url: foreign.url, dialect })
    await model(dialect, ask, dialect, null)
    cases.push({ ask, model: dialect, backend: foreign })
  }
  return {
    scene,
    open,
    letters,
    foreign,
    cases,
    clients: v1Clients(scene.gate.url, scene.key),
    forget() {
      for (const backend of [open, letters, foreign]) backend.forget()
    },
    async close() {
      await scene.close()
      await Promise.all([letters.close(), foreign.close()])
    },
  }
}
