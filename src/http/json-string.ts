const QUOTE = 0x22
const BACKSLASH = 0x5c
/** A search by the runtime costs as much as looking at so many bytes here, and then goes through a picture of megabytes at once. */
const NEAR_BYTES = 12

/** The index after the JSON string that opens at `open`; -1 where it does not end. */
export function afterString(bytes: Buffer, open: number): number {
  if (bytes[open + 1] === QUOTE) return open + 2
  for (let at = open + 1; ; ) {
    const close = bytes.indexOf(QUOTE, at)
    if (close === -1) return -1
    let slash = close
    while (bytes[slash - 1] === BACKSLASH) slash -= 1
    if ((close - slash) % 2 === 0) return close + 1
    // Where one is escaped many are: each search for the next would take as long as the whole of a text without them.
    at = close + 1
    const near = Math.min(at + NEAR_BYTES, bytes.length)
    while (at < near) {
      const byte = bytes[at]
      if (byte === QUOTE) return at + 1
      at += byte === BACKSLASH ? 2 : 1
    }
  }
}
