export { OPEN_LISTS } from './lists/routes.ts'
export { mountV1, type V1Parts, v1Errors } from './routes.ts'
