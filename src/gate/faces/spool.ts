import { type FileHandle, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { makeFolder } from '../../files/index.ts'
import { Room } from '../../http/index.ts'
import { GatewayError, randomBase62 } from '../../kernel/index.ts'
import { BUFFERED_BYTES } from './form.ts'

/** A file put aside. It has no name any more, so it is gone when it is let go, even by a crash. */
export interface SpooledFile {
  readonly bytes: number
  /** Reads it, as often as it is asked for: a backend that was busy has read it for nothing. */
  between(head: Buffer, tail: Buffer): Readable
  letGo(): void
}

export interface Spool {
  keep(caller: string, source: AsyncIterable<Buffer>): Promise<SpooledFile>
  /** On disk at this moment, for all requests together. */
  readonly bytes: number
}

export interface SpoolOptions {
  readonly dir: string
  readonly bytesMax: number
}

const full = (reason: string, cause?: unknown): GatewayError =>
  new GatewayError('SPOOL_FULL', {
    detail: 'There is no room to put this upload aside; options before the file, or in the query, let it stream through without that',
    reason,
    cause,
  })

export function createSpool({ dir, bytesMax }: SpoolOptions): Spool {
  const room = new Room(bytesMax)

  async function keep(caller: string, source: AsyncIterable<Buffer>): Promise<SpooledFile> {
    const share = room.of(caller)
    const file = await openNameless(dir)
    let bytes = 0
    let kept = true
    const letGo = (): void => {
      if (!kept) return
      kept = false
      share.give(bytes)
      void file.close().catch(() => {}) // there is nothing left that could be lost
    }
    try {
      for await (const chunk of source) {
        const why = share.take(chunk.length)
        if (why !== null) throw full(`spool: ${why}`)
        bytes += chunk.length
        await append(file, chunk)
      }
    } catch (error) {
      letGo()
      throw error
    }
    return { bytes, letGo, between: (head, tail) => framed(file, head, tail) }
  }

  return {
    keep,
    get bytes() {
      return room.bytes
    },
  }
}

async function append(file: FileHandle, chunk: Buffer): Promise<void> {
  try {
    await file.appendFile(chunk)
  } catch (error) {
    throw full('the spool cannot be written', error)
  }
}

async function openNameless(dir: string): Promise<FileHandle> {
  const path = join(dir, `upload-${randomBase62(24)}`)
  try {
    makeFolder(dir, 0o700)
    const file = await open(path, 'wx+', 0o600)
    await unlink(path).catch(async (error: unknown) => {
      await file.close()
      throw error
    })
    return file
  } catch (error) {
    throw full(`no file can be made in ${dir}`, error)
  }
}

function framed(file: FileHandle, head: Buffer, tail: Buffer): Readable {
  async function* parts(): AsyncGenerator<Buffer> {
    yield head
    yield* file.createReadStream({ start: 0, autoClose: false, highWaterMark: BUFFERED_BYTES })
    yield tail
  }
  const body = Readable.from(parts(), { objectMode: false, highWaterMark: BUFFERED_BYTES })
  body.on('error', () => {}) // while it waits for a place at the backend nobody else listens
  return body
}
