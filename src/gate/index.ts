export { type Contents, type Corridor, type CorridorObserver, type CorridorParts, createCorridor, type Perform } from './admit.ts'
export { answer, jsonAnswer } from './answer.ts'
export type { Ask } from './ask.ts'
export { type BodyNames, readJudged } from './bodies.ts'
export { type CarriageEnd, type Carrier, createCarrier, type LifeWords } from './carry/index.ts'
export {
  cleanName,
  cleanType,
  createSpool,
  type FormAudio,
  FormReader,
  formAudio,
  formEndedEarly,
  formParser,
  invalidForm,
  namelessPart,
  readInput,
  refuseKeyInUrl,
  type Spool,
  tooLongField,
  tooManyParts,
  transcriptionOf,
  wantForm,
} from './faces/index.ts'
export { type OwnerAnswer, type OwnerGuard, type OwnerPolicy, ownerGuard } from './guard.ts'
export { mountServices } from './routes.ts'
export { createToModel, type ToModel } from './to-model.ts'
export type { Demand, Ended, Policy, Visit } from './visit.ts'
