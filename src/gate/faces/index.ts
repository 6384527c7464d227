import type { OperationName, Route, Service } from '../../catalog/index.ts'
import type { Face, FaceTools } from './face.ts'
import { imageFace, imageModelsFace, imageSamplersFace, simpleImageFace } from './image.ts'
import { rawFace } from './raw.ts'
import { speechFace, voicesFace } from './speech.ts'
import { transcribeFace } from './transcribe.ts'

export type { Face, FaceTools, SharedTools } from './face.ts'
export { FormReader, type FormRules } from './form.ts'
export { type FormAudio, formAudio } from './form-audio.ts'
export { cleanName, cleanType, formEndedEarly, formParser, invalidForm, namelessPart, tooLongField, tooManyParts } from './form-parts.ts'
export { readInput } from './input.ts'
export { refuseKeyInUrl } from './key-in-url.ts'
export { Options } from './options.ts'
export { createSpool, type Spool } from './spool.ts'
export { transcriptionOf, wantForm } from './transcribe.ts'

const FACES: Readonly<Record<OperationName, (service: Service, route: Route, tools: FaceTools) => Face>> = {
  raw: rawFace,
  speech: speechFace,
  voices: voicesFace,
  image: imageFace,
  'simple-image': simpleImageFace,
  'image-models': imageModelsFace,
  'image-samplers': imageSamplersFace,
  transcribe: transcribeFace,
}

export const faceOf = (service: Service, route: Route, tools: FaceTools): Face => FACES[route.operation](service, route, tools)
