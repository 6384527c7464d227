const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
/** Lines end in three ways (WHATWG HTML, section 9.2.5); nobody is known to mix them. The first is nearly always the one. */
const BLANK_LINES = ['\n\n', '\r\n\r\n', '\r\r'].map((text) => Buffer.from(text))

/** Where the first event that begins at `from` ends, its blank line included; -1 while it does not. */
export function eventEnd(bytes: Buffer, from: number): number {
  let end = -1
  for (const blank of BLANK_LINES) {
    const at = bytes.indexOf(blank, from)
    if (at !== -1 && (end === -1 || at + blank.length < end)) end = at + blank.length
  }
  return end
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
