export { createFileOnce } from './create-once.ts'
export { makeFolder } from './folder.ts'
