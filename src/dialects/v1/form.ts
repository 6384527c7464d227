import type { Protocol } from '../../catalog/index.ts'
import type { Audio } from '../operations.ts'
import type { Plan } from '../plan.ts'
import { type FormField, type FormFilePart, formRequest, wholeFormRequest } from '../requests.ts'
import { v1FaultOf } from './fault.ts'
import { passesOf, readerOf, v1PathAt } from './pass.ts'

/** A form whose endpoint speaks the caller's protocol: its fields pass as they came, with the model's name there. */
export interface PassingForm {
  readonly protocol: Protocol
  readonly root: string
  readonly fields: readonly FormField[]
  readonly upstream: string | null
  readonly name: string
}

const named = ({ fields, upstream, name }: PassingForm): readonly FormField[] => [
  ['model', upstream ?? name],
  ...fields.filter(([field]) => field !== 'model'),
]

const READS = { dropUnasked: false, rename: null }

/** A form with a recording, which streams through. */
export const passTranscription = (form: PassingForm, audio: Audio): Plan => ({
  request: formRequest(v1PathAt(form.root, form.protocol), 'file', audio, {}, named(form)),
  reader: readerOf(form.protocol, READS),
  passes: passesOf(form.protocol),
  fault: v1FaultOf(form.upstream, form.name),
})

/** A form with pictures, which is here in full. */
export const passForm = (form: PassingForm, files: readonly FormFilePart[]): Plan => ({
  request: wholeFormRequest(v1PathAt(form.root, form.protocol), named(form), files),
  reader: readerOf(form.protocol, READS),
  passes: passesOf(form.protocol),
  fault: v1FaultOf(form.upstream, form.name),
})
