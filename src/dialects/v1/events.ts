const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const PLAIN = Buffer.from('\n\n')
/** Blank lines where lines end in other ways too (WHATWG HTML, section 9.2.5). */
const ANY = /\r\n\r\n|\n\r\n|\n\n|\r\r/g
/** Of what came before, so that a blank line is found that was cut in two. */
export const OVERLAP_BYTES = 3

/** Where each event ends, its blank line included; what follows the last one has not ended. One pass, however many there are. */
export function* eventEnds(bytes: Buffer): Generator<number> {
  if (bytes.includes(CARRIAGE_RETURN)) {
    for (const match of bytes.toString('latin1').matchAll(ANY)) yield match.index + match[0].length
    return
  }
  for (let at = bytes.indexOf(PLAIN); at !== -1; at = bytes.indexOf(PLAIN, at + PLAIN.length)) yield at + PLAIN.length
}

/** Where the last whole event ends; 0 while none does. */
export function lastEventEnd(bytes: Buffer): number {
  if (bytes.includes(CARRIAGE_RETURN)) {
    let end = 0
    for (const next of eventEnds(bytes)) end = next
    return end
  }
  const at = bytes.lastIndexOf(PLAIN)
  return at === -1 ? 0 : at + PLAIN.length
}

/** Whether bytes end with a blank line, and so with a whole event. */
export function endsEvent(bytes: Buffer): boolean {
  const { length } = bytes
  const [last, before] = [bytes[length - 1], bytes[length - 2]]
  if (last === CARRIAGE_RETURN) return before === CARRIAGE_RETURN
  if (last !== LINE_FEED) return false
  return before === LINE_FEED || (before === CARRIAGE_RETURN && bytes[length - 3] === LINE_FEED)
}

const FIELD = /^data: ?(.*)$/gm

/** The data of an event, its lines joined; '' where it has none, as a comment. */
export function dataOf(event: Buffer): string {
  const text = event.toString('utf8').replaceAll(/\r\n?/g, '\n')
  let data = ''
  for (const [, line = ''] of text.matchAll(FIELD)) data += data === '' ? line : `\n${line}`
  return data
}
