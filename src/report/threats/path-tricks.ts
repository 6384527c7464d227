import { LIMITS } from '../../kernel/index.ts'
import { Book } from '../count/book.ts'
import { Few } from '../count/few.ts'
import { Recent } from '../count/recent.ts'
import { endpointOf, type Place, type Sighting } from '../sighting.ts'
import { originOf } from './network.ts'
import { RULES } from './rules.ts'
import { type Detector, type Finding, placeSubject, type Severity } from './threat.ts'
import { Trail } from './trail.ts'

/** Spellings by what they try. No client of ours writes the strong ones by mistake. */
const STRONG: Readonly<Record<string, RegExp>> = {
  'parent directories': /(?:^|[/\\])(?:\.|%2e|%252e){2}(?:[/\\;]|%2f|%5c|%252f|$)/i,
  'NUL and control bytes': /%(?:25)?[01][0-9a-f]|\\u00[01]/i,
  backslashes: /\\(?!u[0-9a-f]{4})|%(?:25)?5c/i,
  'double encoding': /%25(?:2e|2f|5c|3b|00|25)/i,
  'path parameters': /^[^;]*;.*\/|;$|%3b/is, // from the first semicolon only, of a million
}
/** These also come from a base URL with a slash too many, and from model names that hold a slash. */
const WEAK: Readonly<Record<string, RegExp>> = { 'encoded slashes': /%2f/i, 'doubled slashes': /\/\// }

interface Trickster {
  readonly trail: Trail
  readonly strong: Few
  readonly weak: Few
  readonly paths: Recent
  readonly addresses: Few
  readonly keys: Few
  strongCount: number
}

const newTrickster = (): Trickster => ({
  trail: new Trail(),
  strong: new Few(),
  weak: new Few(),
  paths: new Recent(RULES.dayMs, LIMITS.reportPerSubjectMax),
  addresses: new Few(),
  keys: new Few(),
  strongCount: 0,
})

/** Spellings of a path that try to reach past the gate's table of routes. */
export class PathTricks implements Detector {
  readonly #tricksters = new Book<Trickster>(LIMITS.reportSuspectsMax, newTrickster, (t) => 10 * t.strongCount + t.paths.peak)

  see(s: Sighting, place: Place): void {
    if (s.path === '' || s.address === '' || s.address === '*') return
    // Most refusals are plain; one test passes them by.
    if (s.offence !== 'path' && !/[%\\;]|\/\/|\.\./.test(s.path)) return
    const strong = namesOf(STRONG, s.path)
    const weak = namesOf(WEAK, s.path)
    if (strong.length === 0 && weak.length === 0) return
    const trickster = this.#tricksters.of(originOf(s.address).subject)
    trickster.trail.note(s, place)
    for (const name of strong) trickster.strong.add(name)
    for (const name of weak) trickster.weak.add(name)
    if (strong.length > 0) trickster.strongCount += s.count
    trickster.paths.see(endpointOf({ ...s, route: '' }), s.atMs)
    trickster.addresses.add(s.address)
    if (s.recognised && s.key !== '') trickster.keys.add(s.key)
  }

  findings(): Finding[] {
    return [...this.#tricksters].flatMap(([subject, trickster]) => {
      const severity = grade(trickster)
      if (severity === null) return []
      const classes = [...trickster.strong.list, ...trickster.weak.list].join(', ')
      const keys = trickster.keys.list
      return {
        kind: 'path_tricks',
        severity,
        title: `${subject} sent ${trickster.trail.count} refused ${trickster.trail.count === 1 ? 'path' : 'paths'}: ${classes}`,
        subject: placeSubject(subject),
        trail: trickster.trail,
        addresses: trickster.addresses.list,
        advice:
          keys.length > 0
            ? `It holds a key (${keys.join(', ')}): disable it, and ask its owner. Nothing got past the table of routes.`
            : 'Block the address (portcullis report --format fail2ban). Nothing got past the table of routes.',
      }
    })
  }
}

const namesOf = (table: Readonly<Record<string, RegExp>>, path: string): string[] =>
  Object.entries(table).flatMap(([name, expression]) => (expression.test(path) ? [name] : []))

function grade({ strong, weak, strongCount, paths }: Trickster): Severity | null {
  const { high, highClasses, weakPaths, weakClasses } = RULES.pathTricks
  if (strongCount >= high || strong.size >= highClasses) return 'high'
  if (strongCount > 0) return 'medium'
  return paths.peak >= weakPaths && weak.size >= weakClasses ? 'medium' : null
}
