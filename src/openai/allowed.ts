import type { Model, Models } from '../catalog/index.ts'
import { CAPABILITIES, isKey, type KeyPrincipal, LIMITS, mayUse, namesText, type Principal } from '../kernel/index.ts'

/** The lists of one state of the models, by what the keys may use that have asked for them, the one that was asked for last standing last. */
interface Lists {
  readonly version: number
  readonly byKind: Map<string, readonly Model[]>
  models: number
}

const LISTS = new WeakMap<Models, Lists>()
const NONE: readonly Model[] = Object.freeze([])

/**
 * The models that a key may use, by name: the same list for all keys that may use the same, until the models change. So whatever is made of a list of ten
 * thousand is made once, and kept by the list itself.
 */
export function allowedTo(models: Models, principal: Principal | null): readonly Model[] {
  if (!isKey(principal)) return NONE
  const lists = listsOf(models)
  const kind = kindOf(principal)
  const known = lists.byKind.get(kind)
  if (known !== undefined) {
    lists.byKind.delete(kind)
    lists.byKind.set(kind, known)
    return known
  }
  const list = models.list().filter((model) => mayUse(principal, model))
  lists.byKind.set(kind, list)
  lists.models += list.length
  forgetOldest(lists, list)
  return list
}

function listsOf(models: Models): Lists {
  const known = LISTS.get(models)
  if (known?.version === models.version) return known
  const lists: Lists = { version: models.version, byKind: new Map(), models: 0 }
  LISTS.set(models, lists)
  return lists
}

function forgetOldest(lists: Lists, newest: readonly Model[]): void {
  for (const [kind, list] of lists.byKind) {
    if (list === newest || (lists.byKind.size <= LIMITS.allowedListsMax && lists.models <= LIMITS.allowedModelsMax)) return
    lists.byKind.delete(kind)
    lists.models -= list.length
  }
}

const kindOf = ({ rights, models }: KeyPrincipal): string =>
  `${CAPABILITIES.filter((capability) => rights.has(capability)).join()} ${namesText(models)}`
