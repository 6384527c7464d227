import { type Behaviour, type HostileUpstream, hostileUpstream, type SeenRequest } from './hostile.ts'

/** A backend that remembers what it was asked, and does as usual until it is told otherwise. */
export interface ScriptedBackend extends Pick<HostileUpstream, 'url' | 'port' | 'faults' | 'close'> {
  readonly asked: readonly SeenRequest[]
  readonly last: SeenRequest
  behave(next: Behaviour): void
  /** Well-behaved again, with nothing remembered. */
  forget(): void
}

/** `aside` answers what is not a question to it, and is not remembered; null for all else. */
export async function scriptedBackend(
  aside: (seen: SeenRequest) => Behaviour | null,
  usual: (seen: SeenRequest) => Behaviour,
): Promise<ScriptedBackend> {
  let asked: SeenRequest[] = []
  let behaviour: Behaviour | null = null
  const { url, port, faults, close } = await hostileUpstream((seen) => {
    const answer = aside(seen)
    if (answer !== null) return answer
    asked.push(seen)
    return behaviour ?? usual(seen)
  })
  return {
    url,
    port,
    faults,
    get asked() {
      return asked
    },
    get last() {
      const seen = asked.at(-1)
      if (seen === undefined) throw new Error('nothing was asked of the backend')
      return seen
    },
    behave(next) {
      behaviour = next
    },
    forget() {
      asked = []
      behaviour = null
    },
    close,
  }
}
