import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument, type YAMLMap } from 'yaml'

/** A fault of the configuration, with where it stands and how to mend it. */
export interface Fault {
  readonly where: string
  readonly what: string
}

/** portcullis.yaml, with the line of everything in it. */
export interface ConfigDocument {
  readonly name: string
  readonly faults: readonly Fault[]
  get(key: string): unknown
  lineOf(key: string): number | null
  /** Every path that leads to a value, so that misspelled keys can be named. */
  keys(): readonly string[]
}

export function readDocument(name: string, content: string): ConfigDocument {
  const lines = new LineCounter()
  const document = parseDocument(content, { lineCounter: lines, uniqueKeys: true, merge: false })
  const faults = document.errors.map((error) => ({
    where: `${name}:${error.linePos?.[0].line ?? 1}`,
    what: withoutSource(error.message.split('\n')[0] ?? ''),
  }))
  const root = document.contents
  if (faults.length === 0 && root !== null && !isMap(root))
    faults.push({ where: `${name}:1`, what: 'want keys and values, such as `server:`' })
  if (faults.length === 0 && !aliasesHold(document))
    faults.push({ where: name, what: 'an alias (*name) leads to no anchor (&name), or to too many' })
  return {
    name,
    faults,
    get(key) {
      const node = document.getIn(key.split('.'), true)
      if (isScalar(node)) return node.value
      return isNode(node) ? node.toJS(document) : undefined
    },
    lineOf(key) {
      const path = key.split('.')
      for (let depth = path.length; depth > 0; depth -= 1) {
        const parent = depth === 1 ? root : document.getIn(path.slice(0, depth - 1), true)
        const pair = isMap(parent)
          ? parent.items.find((item) => isScalar(item.key) && String(item.key.value) === path[depth - 1])
          : undefined
        if (pair && isScalar(pair.key) && pair.key.range) return lines.linePos(pair.key.range[0]).line
      }
      return null
    },
    keys: () => (isMap(root) ? leaves(root, '') : []),
  }
}

/** The parser itself says nothing of them; whoever reads such a value would throw. */
function aliasesHold(document: Document): boolean {
  try {
    document.toJS()
    return true
  } catch {
    return false
  }
}

/** The parser quotes what it stumbled over, which may be a secret; line and column lead there all the same. */
const withoutSource = (message: string): string =>
  message
    .replace(/(?<= at line \d+, column \d+):$/, '')
    .replace(/: \S.*?(?= at line \d+, column \d+:?$|$)/, '')
    .replaceAll(/"(?:[^"\\]|\\.)*"?/g, '"…"')

function leaves(map: YAMLMap, path: string): string[] {
  return map.items.flatMap((item) => {
    const key = `${path}${isScalar(item.key) ? String(item.key.value) : '?'}`
    return isMap(item.value) ? leaves(item.value, `${key}.`) : [key]
  })
}
