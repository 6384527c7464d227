import { readSecretFile, SecretFileFault } from '../secrets/index.ts'
import { type Io, readPiped } from './key-io.ts'
import { EXIT, Exit } from './terminal.ts'

export interface KeyFlags {
  /** `-`, or false for `--no-key`. */
  readonly key?: string | false
  readonly keyFile?: string
}

/**
 * A provider's key, from a file that only its owner can read or from what is piped in: an argument stays in the shell's history and in the process list. Null
 * takes the key away; undefined leaves it.
 */
export async function keyWanted({ key, keyFile }: KeyFlags, io: Io): Promise<string | null | undefined> {
  if (key !== undefined && keyFile !== undefined) throw new Exit(EXIT.usage, 'Give --key or --key-file, not both')
  if (key === false) return null
  if (keyFile !== undefined) return keyIn(keyFile)
  if (key === undefined) return undefined
  // Not repeated: it may be the key.
  if (key !== '-')
    throw new Exit(
      EXIT.usage,
      'A key is not taken as an argument, which stays in the history of the shell; pipe it in and say --key -, or use --key-file',
    )
  const text = io.input.isTTY ? await askHidden(io) : await readPiped(io)
  if (text === '') throw new Exit(EXIT.usage, 'No key was given')
  return text
}

function keyIn(path: string): string {
  try {
    return readSecretFile(path).reveal()
  } catch (thrown) {
    if (thrown instanceof SecretFileFault) throw new Exit(EXIT.usage, thrown.message)
    throw thrown
  }
}

/** Prompts are loaded only for who sits at a terminal. */
async function askHidden(io: Io): Promise<string> {
  const clack = await import('@clack/prompts')
  const key = await clack.password({ message: "The provider's key", input: io.input, output: io.errors })
  return clack.isCancel(key) ? '' : key.trim()
}
