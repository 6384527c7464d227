import type { Model } from '../../catalog/index.ts'
import type { VoiceView } from '../../contract/index.ts'

/** By the list, which is another when there is another to tell: anybody may ask as often as he likes, and ten thousand models take milliseconds to write. */
function once<List extends object>(present: (list: List) => object): (list: List) => Buffer {
  const written = new WeakMap<List, Buffer>()
  return (list) => {
    let bytes = written.get(list)
    if (bytes === undefined) {
      bytes = Buffer.from(`${JSON.stringify(present(list))}\n`)
      written.set(list, bytes)
    }
    return bytes
  }
}

/** In the shapes that Open WebUI reads. */
export const voicesIn = once((voices: readonly VoiceView[]) => ({ voices: voices.map((voice) => ({ name: voice.id, ...voice })) }))
export const speechIn = once((models: readonly Model[]) => ({
  models: models.filter(({ capability }) => capability === 'speech').map(({ name }) => ({ id: name })),
}))
