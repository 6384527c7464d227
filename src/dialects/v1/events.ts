const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const END = Buffer.from('\n\n')
const END_CRLF = Buffer.from('\r\n\r\n')

/** Where the first event that begins at `from` ends, its blank line included; -1 while it does not. */
export function eventEnd(bytes: Buffer, from: number): number {
  const plain = bytes.indexOf(END, from)
  // Nobody mixes the two, and most never write the second.
  if (plain !== -1) {
    const crlf = bytes.subarray(from, plain).indexOf(END_CRLF)
    return crlf === -1 ? plain + END.length : from + crlf + END_CRLF.length
  }
  const crlf = bytes.indexOf(END_CRLF, from)
  return crlf === -1 ? -1 : crlf + END_CRLF.length
}

/** Whether bytes end with a blank line, and so with a whole event. */
export function endsEvent(bytes: Buffer): boolean {
  const { length } = bytes
  if (bytes[length - 1] !== LINE_FEED) return false
  return bytes[length - 2] === LINE_FEED || (bytes[length - 2] === CARRIAGE_RETURN && bytes[length - 3] === LINE_FEED)
}

const FIELD = /^data: ?(.*)$/gm

/** The data of an event, its lines joined; '' where it has none, as a comment. */
export function dataOf(event: Buffer): string {
  const text = event.toString('utf8').replaceAll('\r\n', '\n')
  let data = ''
  for (const [, line = ''] of text.matchAll(FIELD)) data += data === '' ? line : `\n${line}`
  return data
}
