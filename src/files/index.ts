export { createFileOnce } from './create-once.ts'
export { makeFolder } from './folder.ts'
export { isPrivate, privacyFault, shellWord } from './privacy.ts'
