import { systemClock } from '../kernel/index.ts'
import type { StandIn } from './http/serve.ts'
import { startImageStandIn } from './image/server.ts'
import { startTextStandIn } from './ollama/server.ts'
import { startSpeechStandIn } from './speech/server.ts'
import { startWhisperStandIn } from './whisper/server.ts'

type Name = 'ollama' | 'tts' | 'image' | 'whisper'

export interface StandInOptions {
  /** Free ones unless told. */
  readonly ports?: Readonly<Partial<Record<Name, number>>>
  /** Fast enough to be pleasant, slow enough to be seen; `Infinity` for tests that cannot wait. */
  readonly tokensPerSecond?: number
  readonly imageStepMs?: number
  readonly whisperMs?: number
}

export type StandIns = Readonly<Record<Name, Pick<StandIn, 'url' | 'busy'>>> & { close(): Promise<void> }

/** The four backends of the gate, each speaking its own language on a loopback port, each saying that it is a stand-in. */
export async function startStandIns(options: StandInOptions = {}): Promise<StandIns> {
  const { ports = {}, tokensPerSecond = 25, imageStepMs = 20, whisperMs = 150 } = options
  const started: StandIn[] = []
  const close = async (): Promise<void> => {
    await Promise.all(started.map((standIn) => standIn.close()))
  }
  const start = async (standIn: Promise<StandIn>): Promise<StandIn> => {
    started.push(await standIn)
    return standIn
  }
  const clock = systemClock
  try {
    return {
      ollama: await start(startTextStandIn({ ...portOf(ports.ollama), clock, tokensPerSecond })),
      tts: await start(startSpeechStandIn(portOf(ports.tts))),
      image: await start(startImageStandIn({ ...portOf(ports.image), clock, stepMs: imageStepMs })),
      whisper: await start(startWhisperStandIn({ ...portOf(ports.whisper), workMs: whisperMs })),
      close,
    }
  } catch (fault) {
    await close() // one port was taken: the others must not keep the process alive
    throw fault
  }
}

const portOf = (port: number | undefined): { port?: number } => (port === undefined ? {} : { port })
