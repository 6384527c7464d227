import type { FormField, FormFilePart } from '../dialects/index.ts'
import { cleanName, cleanType, formEndedEarly, formParser, invalidForm, namelessPart, tooLongField, tooManyParts } from '../gate/index.ts'
import { clip, LIMITS } from '../kernel/index.ts'

export interface WholeForm {
  readonly fields: readonly FormField[]
  readonly files: readonly FormFilePart[]
}

const FILES_MAX = 17 // sixteen pictures and a mask

/** The parts of a form that is here in full; its files are views of it, not copies. One of `once` that is said twice, or as a file, is refused: which of them a backend would take is its own affair. */
export function parseForm(bytes: Buffer, contentType: string, once: ReadonlySet<string>): Promise<WholeForm> {
  return new Promise((resolve, reject) => {
    const fields: FormField[] = []
    const files: FormFilePart[] = []
    const said = new Set<string>()
    const parser = formParser(contentType, { files: FILES_MAX })
    parser
      .on('field', (spelled: string | undefined, value, _nameCut, valueCut) => {
        const name = spelled ?? '' // the parser's types know of no part without one
        if (name === '') reject(namelessPart())
        if (name.length > LIMITS.nameCharsMax) reject(invalidForm(`${clip(name, LIMITS.nameCharsMax)}: the name of this field is too long`))
        if (valueCut) reject(tooLongField(clip(name, LIMITS.nameCharsMax)))
        if (once.has(name) && said.has(name)) reject(invalidForm(`${name}: is said twice`))
        said.add(name)
        fields.push([name, value])
      })
      .on('file', (name, stream, filename, _encoding, type) => {
        if (name === undefined || name === '') reject(namelessPart())
        // Some backends read a field whether it came as a file or not, and here nobody would have looked into it.
        else if (once.has(name)) reject(invalidForm(`${name}: is a file here; send it as a field`))
        const chunks: Buffer[] = []
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('end', () => {
          files.push({ name: name ?? '', filename: cleanName(filename, 'image'), contentType: cleanType(type), bytes: joined(chunks) })
        })
        stream.on('error', () => {}) // told by the parser itself
      })
      .on('partsLimit', () => reject(tooManyParts()))
      .on('filesLimit', () => reject(invalidForm(`There are more than ${FILES_MAX} files in this form`)))
      .on('error', () => reject(formEndedEarly()))
      .on('finish', () => resolve({ fields, files }))
    parser.end(bytes)
  })
}

/** A form that is parsed in one piece has its files in one piece too. */
function joined(chunks: readonly Buffer[]): Buffer {
  const [only, ...more] = chunks
  return only !== undefined && more.length === 0 ? only : Buffer.concat(chunks)
}
