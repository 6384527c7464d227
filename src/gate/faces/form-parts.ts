import { Busboy, type BusboyConfig, type BusboyInstance } from '@fastify/busboy'
import { GatewayError, LIMITS } from '../../kernel/index.ts'

/** What all readers of forms share: their bounds, what a part may be called, and how a fault is told. */

const PART_HEADERS_MAX = 32
const PART_HEADER_BYTES_MAX = 8 * 1024

export type FormBounds = Pick<BusboyConfig, 'fileHwm' | 'isPartAFile'> & { readonly fields?: number; readonly files?: number }

export function formParser(contentType: string, { fields, files, ...rest }: FormBounds): BusboyInstance {
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      ...rest,
      limits: {
        fieldSize: LIMITS.formFieldBytesMax,
        ...(fields !== undefined && { fields }),
        ...(files !== undefined && { files }),
        parts: LIMITS.formPartsMax,
        headerPairs: PART_HEADERS_MAX,
        headerSize: PART_HEADER_BYTES_MAX,
      },
    })
  } catch {
    throw new GatewayError('BODY_INVALID', { detail: 'The Content-Type of this form has no boundary, so its parts cannot be told apart' })
  }
}

export const invalidForm = (detail: string, reason: string = detail): GatewayError => new GatewayError('BODY_INVALID', { detail, reason })
export const tooManyParts = (): GatewayError => invalidForm('There are more parts in this form than it can have')
export const namelessPart = (): GatewayError => invalidForm('A part of this form has no name')
export const formEndedEarly = (): GatewayError =>
  new GatewayError('BODY_INCOMPLETE', { detail: 'The form ended before its last boundary', reason: 'a form without its last boundary' })
export const tooLongField = (name: string): GatewayError => invalidForm(`${name}: is longer than ${LIMITS.formFieldBytesMax} bytes`)

/** The end of a file name, where its kind is told. */
export const cleanName = (filename: string | undefined, unnamed: string): string =>
  (filename ?? '').replaceAll(/\p{Cc}/gu, '').slice(-LIMITS.nameCharsMax) || unnamed

/** The parser says text/plain where a part says nothing. */
export const cleanType = (type: string): string => (/^(?!text\/)[\w.+-]+\/[\w.+-]+$/.test(type) ? type : 'application/octet-stream')
