import { createReadStream } from 'node:fs'

/** Lines that are not empty: each batch begins with a newline of its own. */
export async function countLines(file) {
  let lines = 0
  let last = 0x0a
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
    for (let at = chunk.indexOf(0x0a); at !== -1; at = chunk.indexOf(0x0a, at + 1)) {
      if ((at === 0 ? last : chunk[at - 1]) !== 0x0a) lines += 1
    }
    last = chunk[chunk.length - 1]
  }
  return lines
}
