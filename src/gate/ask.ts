import type { Model, Place, Protocol } from '../catalog/index.ts'
import type { Plan } from '../dialects/index.ts'
import type { LifeWords } from './carry/signs-of-life.ts'

/** What a request asks of a model, in nobody's language. */
export interface Ask {
  readonly model: Model
  readonly protocol: Protocol
  /** The plan for one of the places where a model is served, its body in full each time. It throws what that place cannot do. */
  readonly planAt: (place: Place, model: Model) => Plan
  /** For streams: what their caller is told while nothing comes. */
  readonly life: LifeWords | null
}
