import { request } from 'node:http'
import { GatewayError } from '../kernel/index.ts'

export interface SocketAnswer {
  readonly status: number
  readonly body: unknown
}

/** One request over the management socket. Rejects with the system's error when nobody listens there. */
export function askSocket(socketPath: string, method: string, path: string, body?: unknown): Promise<SocketAnswer> {
  const payload = body === undefined ? '' : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const headers = payload === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }
    const sent = request({ socketPath, method, path, headers: { host: 'portcullis', ...headers } }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        try {
          const text = Buffer.concat(chunks).toString('utf8')
          resolve({ status: answer.statusCode ?? 0, body: text === '' ? null : JSON.parse(text) })
        } catch (cause) {
          reject(new GatewayError('INTERNAL', { reason: 'the management socket did not answer in JSON', cause }))
        }
      })
    })
    sent.on('error', reject)
    sent.end(payload)
  })
}
