/** Puts one name of a model where another stands, in whatever JSON it stands: between quotes that are not escaped, so never within a text. */
export function renamer(from: string, to: string): ((bytes: Buffer) => Buffer) | null {
  if (from === to) return null
  const [wanted, put] = [JSON.stringify(from), JSON.stringify(to)]
  const spellings = [`"model":${wanted}`, `"model": ${wanted}`].map((text) => Buffer.from(text))
  const instead = Buffer.from(`"model":${put}`)
  return (bytes) => spellings.reduce((done, spelling) => replaced(done, spelling, instead), bytes)
}

function replaced(bytes: Buffer, what: Buffer, instead: Buffer): Buffer {
  let at = bytes.indexOf(what)
  if (at === -1) return bytes
  const parts: Buffer[] = []
  let from = 0
  for (; at !== -1; at = bytes.indexOf(what, from)) {
    parts.push(bytes.subarray(from, at), instead)
    from = at + what.length
  }
  parts.push(bytes.subarray(from))
  return Buffer.concat(parts)
}
