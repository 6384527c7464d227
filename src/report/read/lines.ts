import { LIMITS } from '../../kernel/index.ts'

export interface LineReader {
  /** A line without its end; the bytes are valid only during the call. */
  line(bytes: Buffer, start: number, end: number, number: number): void
  tooLong(number: number): void
}

const NEWLINE = 10
const RETURN = 13
const BOM = Buffer.from([0xef, 0xbb, 0xbf])

/** Cuts chunks into lines. Empty lines are counted in the numbering but not handed on: the ledger's batches begin and end with one. */
export async function eachLine(chunks: AsyncIterable<Buffer>, reader: LineReader): Promise<number> {
  let number = 0
  let rest: Buffer | null = null
  let skipping = false
  let begun = false

  const give = (bytes: Buffer, start: number, end: number): void => {
    number += 1
    const stop = end > start && bytes[end - 1] === RETURN ? end - 1 : end
    if (stop > start) reader.line(bytes, start, stop, number)
  }

  for await (const chunk of chunks) {
    let bytes: Buffer = rest === null ? chunk : Buffer.concat([rest, chunk])
    if (!begun && bytes.subarray(0, 3).equals(BOM)) bytes = bytes.subarray(3)
    begun = true
    let start = 0
    for (let end = bytes.indexOf(NEWLINE, start); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      if (!skipping) give(bytes, start, end)
      skipping = false
      start = end + 1
    }
    rest = skipping || start === bytes.length ? null : bytes.subarray(start)
    if (rest !== null && rest.length > LIMITS.reportLineBytesMax) {
      number += 1
      reader.tooLong(number)
      skipping = true
      rest = null
    }
  }
  if (rest !== null) give(rest, 0, rest.length)
  return number
}
