import { existsSync } from 'node:fs'
import { createSealer, SealBroken, type Sealer } from './seal.ts'

/**
 * A sealer whose key file is made with the first thing that is sealed. Opening makes none: it could open nothing, and would stand where the lost one has to
 * be put back.
 */
export function createLateSealer(keyFilePath: string): Pick<Sealer, 'sealBytes' | 'openBytes'> {
  let made: Sealer | null = null
  const sealer = (): Sealer => {
    made ??= createSealer(keyFilePath)
    return made
  }
  return {
    sealBytes: (plain, row) => sealer().sealBytes(plain, row),
    openBytes(sealed, row) {
      if (made === null && !existsSync(keyFilePath))
        throw new SealBroken(`it is sealed under the key file ${keyFilePath}, which is gone; restore that file from a backup`)
      const opener = sealer()
      try {
        return opener.openBytes(sealed, row)
      } catch {
        throw new SealBroken(
          `it does not open with the key file ${keyFilePath}: that file was exchanged or made anew since, or the store was changed by somebody else; restore it from a backup`,
        )
      }
    },
  }
}
