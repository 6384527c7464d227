export { makeFolder } from './folder.ts'
