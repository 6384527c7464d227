import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, unlinkSync } from 'node:fs'
import { rename, rm, stat, unlink } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { syncDirectory, syncFile } from './disk.ts'

async function digest(source: Readable, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(
    source,
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) hash.update(chunk)
    },
    { signal },
  )
  return hash.digest('hex')
}

/** Compresses a finished segment. The original goes only once its copy has been read back, found equal and synced. */
export async function compressSegment(path: string, signal: AbortSignal): Promise<void> {
  const target = `${path}.gz`
  const temporary = `${target}.tmp`
  const { mode } = await stat(path)
  try {
    await pipeline(createReadStream(path), createGzip(), createWriteStream(temporary, { mode: mode & 0o777 }), { signal })
    const [original, copy] = [
      await digest(createReadStream(path), signal),
      await digest(createReadStream(temporary).pipe(createGunzip()), signal),
    ]
    if (original !== copy) throw new Error(`${temporary} does not hold what ${path} holds`)
    syncFile(temporary)
    await rename(temporary, target)
    syncDirectory(target)
    await unlink(path)
  } finally {
    await rm(temporary, { force: true })
  }
}

/** A compression that a crash interrupted. */
export function removeLeftovers(paths: readonly string[]): void {
  for (const path of paths) unlinkSync(path)
}
