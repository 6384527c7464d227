import type { Allowance, KeyOwner, UserId } from '../../kernel/index.ts'

/** What a key asks of its user. */
export interface Owner extends KeyOwner {
  readonly name: string
  /** Since when all of the user's keys are stopped; null while they are not. */
  readonly disabledMs: number | null
}

/** A user as keys and limits see one: an object for the life of the process, so that a change is seen by every key at once. */
export class UserRecord implements Owner {
  readonly id: UserId
  readonly createdMs: number
  name: string
  email: string | null
  organisation: string | null
  limits: Allowance
  disabledMs: number | null
  deletedMs: number | null
  /** How many keys name this user, disabled and expired ones too. */
  keys = 0

  constructor(id: UserId, user: Omit<UserRecord, 'id' | 'keys'>) {
    this.id = id
    this.createdMs = user.createdMs
    this.name = user.name
    this.email = user.email
    this.organisation = user.organisation
    this.limits = user.limits
    this.disabledMs = user.disabledMs
    this.deletedMs = user.deletedMs
  }
}
