import type { OperationName, Route, Service } from '../../catalog/index.ts'
import type { Face, FaceTools } from './face.ts'
import { imageFace, imageModelsFace, imageSamplersFace, simpleImageFace } from './image.ts'
import { rawFace } from './raw.ts'
import { speechFace, voicesFace } from './speech.ts'
import { transcribeFace } from './transcribe.ts'

export type { Face, FaceTools } from './face.ts'
export { readInput } from './input.ts'
export { createSpool, type Spool } from './spool.ts'

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
