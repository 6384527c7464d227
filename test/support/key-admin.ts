import type { Identity } from '../../src/identity/index.ts'
import { adminOf } from './admin.ts'

/** The routes of users and keys. */
export const keyAdmin = (identity: Identity) => adminOf({ identity })
