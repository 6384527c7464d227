import { Busboy, type BusboyInstance } from '@fastify/busboy'
import type { FormField, FormFilePart } from '../dialects/index.ts'
import { GatewayError, LIMITS } from '../kernel/index.ts'

export interface WholeForm {
  readonly fields: readonly FormField[]
  readonly files: readonly FormFilePart[]
}

const FILES_MAX = 17 // sixteen pictures and a mask

const invalid = (detail: string): GatewayError => new GatewayError('BODY_INVALID', { detail })

/** The parts of a form that is here in full. */
export function parseForm(bytes: Buffer, contentType: string): Promise<WholeForm> {
  return new Promise((resolve, reject) => {
    const fields: FormField[] = []
    const files: FormFilePart[] = []
    const parser = parserFor(contentType, reject)
    parser
      .on('field', (name, value, _nameCut, valueCut) => {
        if (valueCut) reject(invalid(`${name.slice(0, LIMITS.nameCharsMax)}: is longer than ${LIMITS.formFieldBytesMax} bytes`))
        fields.push([name, value])
      })
      .on('file', (name, stream, filename, _encoding, type) => {
        const chunks: Buffer[] = []
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('end', () =>
          files.push({ name: name ?? '', filename: filename || 'image', contentType: type, bytes: Buffer.concat(chunks) }),
        )
        stream.on('error', () => {}) // told by the parser itself
      })
      .on('partsLimit', () => reject(invalid('There are more parts in this form than it can have')))
      .on('filesLimit', () => reject(invalid(`There are more than ${FILES_MAX} files in this form`)))
      .on('error', () => reject(new GatewayError('BODY_INCOMPLETE', { detail: 'The form ended before its last boundary' })))
      .on('finish', () => resolve({ fields, files }))
    parser.end(bytes)
  })
}

function parserFor(contentType: string, reject: (error: GatewayError) => void): BusboyInstance {
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      limits: { fieldSize: LIMITS.formFieldBytesMax, parts: LIMITS.formPartsMax, files: FILES_MAX },
    })
  } catch {
    const error = invalid('The Content-Type of this form has no boundary, so its parts cannot be told apart')
    reject(error)
    throw error
  }
}
