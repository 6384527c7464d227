import type { Service } from '../../catalog/index.ts'
import { simpleImageInput } from '../../contract/index.ts'
import { operationOf } from '../../dialects/index.ts'
import { foundName } from '../native-demand.ts'
import type { Visit } from '../visit.ts'
import type { Face } from './face.ts'
import { readInput } from './input.ts'

const mayManage = ({ name }: Service, { principal }: Visit): boolean => principal?.rights.has(`manage:${name}`) ?? false

/** `POST /api/generate`: the caller speaks the backend's own language, and its answer comes back as it is. */
export function imageFace(service: Service): Face {
  const image = operationOf(service.dialect, 'image')
  return (visit) =>
    image({
      fields: visit.fields,
      taskId: visit.envelope.id,
      mayManage: mayManage(service, visit),
      checkpoint: foundName(visit, service),
    })
}

/** `POST /api/generate/simple`. */
export function simpleImageFace(service: Service): Face {
  const simpleImage = operationOf(service.dialect, 'simpleImage')
  return (visit) =>
    simpleImage({
      ...readInput(simpleImageInput, visit.fields),
      taskId: visit.envelope.id,
      mayManage: mayManage(service, visit),
      checkpoint: foundName(visit, service),
      as: wantsImage(visit.envelope.headers.accept) ? 'image' : 'json',
    })
}

export const imageModelsFace = ({ dialect }: Service): Face => operationOf(dialect, 'imageModels')
export const imageSamplersFace = ({ dialect }: Service): Face => operationOf(dialect, 'imageSamplers')

/** The picture itself for whoever asks for pictures, as `curl -H 'Accept: image/png'` and `<img>` do; JSON for everybody who takes it as gladly. */
export function wantsImage(accept: string): boolean {
  let image = 0
  let json = 0
  for (const range of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
    const weight = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice('q='.length) ?? 1)
    if (type === 'image/png' || type === 'image/*') image = Math.max(image, weight)
    if (type === 'application/json' || type === 'application/*') json = Math.max(json, weight)
  }
  return image > json
}
