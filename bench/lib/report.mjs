import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { figureText, GOALS, goalText, judge } from './goals.mjs'

const DOCUMENT = fileURLToPath(new URL('../../docs/performance.md', import.meta.url))
const BEGIN = '<!-- bench: begin; written by npm run bench -- --write-docs -->'
const END = '<!-- bench: end -->'

/** One row for each goal of the sections that ran. */
export function verdicts(results, chosen) {
  const reached = Object.assign({}, ...results.map((result) => result.reached))
  return Object.entries(GOALS)
    .filter(([id]) => chosen.some((section) => id.startsWith(`${section}.`)))
    .map(([id, goal]) => ({
      id,
      what: goal.what,
      goal: goalText(goal),
      reached: figureText(goal, reached[id]),
      verdict: judge(id, reached[id]),
    }))
}

const plain = (text) => text.replaceAll('`', '')

export function table(head, rows) {
  const all = [head, ...rows].map((cells) => cells.map(plain))
  const widths = head.map((_, column) => Math.max(...all.map((cells) => cells[column].length)))
  const line = (cells) => cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('  ')
  return `${all.map(line).join('\n')}\n`
}

const markdown = (head, rows) =>
  [head, head.map((_, column) => (column === 0 ? '---' : '--:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

const goalRows = (rows) => rows.map(({ what, goal, reached, verdict }) => [what, goal, reached, verdict])
const GOAL_HEAD = ['', 'to reach', 'reached', 'verdict']

export function print(results, rows) {
  for (const { title, head, rows: detail } of results) process.stdout.write(`\n${title}\n${table(head, detail)}`)
  process.stdout.write(`\n${table(GOAL_HEAD, goalRows(rows))}`)
}

const section = (title, text, head, rows) => [title, `### ${title}\n\n${text}${markdown(head, rows)}`]

/** Replaces what stands between the markers; the words around them are a person's. */
export function writeDocument(results, rows, facts) {
  const sections = results.map(({ title, text, head, rows: detail }) => section(title, `${text}\n\n`, head, detail))
  write(() => [markdown(GOAL_HEAD, goalRows(rows)), ...sections.map(([, text]) => text), section('The machine', '', ['', ''], facts)[1]])
}

/** Of a run of some sections alone: theirs are replaced, and say when they were measured; all else stays as it was. */
export function writeSections(results, rows, when) {
  const made = new Map(results.map(({ title, text, head, rows: detail }) => section(title, `${text} ${when}\n\n`, head, detail)))
  write((old) => {
    const [table, ...before] = old.split(/\n\n(?=### )/)
    const known = new Map(table.split('\n').map((line) => [line.split(' | ', 1)[0], line]))
    for (const row of goalRows(rows)) known.set(`| ${row[0]}`, `| ${row.join(' | ')} |`)
    const kept = new Map(before.map((text) => [/^### (.*)$/m.exec(text)?.[1], text]))
    const machine = kept.get('The machine') ?? ''
    kept.delete('The machine')
    return [[...known.values()].join('\n'), ...new Map([...kept, ...made]).values(), machine]
  })
}

function write(partsOf) {
  const old = readFileSync(DOCUMENT, 'utf8')
  const [from, to] = [old.indexOf(BEGIN), old.indexOf(END)]
  if (from === -1 || to < from) throw new Error(`docs/performance.md has lost its markers ${BEGIN} and ${END}`)
  const parts = partsOf(old.slice(from + BEGIN.length, to).trim())
  writeFileSync(DOCUMENT, `${old.slice(0, from + BEGIN.length)}\n\n${parts.join('\n\n')}\n\n${old.slice(to)}`)
}
