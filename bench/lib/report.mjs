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

/** Replaces what stands between the markers; the words around them are a person's. */
export function writeDocument(results, rows, facts) {
  const parts = [
    markdown(GOAL_HEAD, goalRows(rows)),
    ...results.map(({ title, text, head, rows: detail }) => `### ${title}\n\n${text}\n\n${markdown(head, detail)}`),
    `### The machine\n\n${markdown(['', ''], facts)}`,
  ]
  const old = readFileSync(DOCUMENT, 'utf8')
  const [from, to] = [old.indexOf(BEGIN), old.indexOf(END)]
  if (from === -1 || to < from) throw new Error(`docs/performance.md has lost its markers ${BEGIN} and ${END}`)
  writeFileSync(DOCUMENT, `${old.slice(0, from + BEGIN.length)}\n\n${parts.join('\n\n')}\n\n${old.slice(to)}`)
}
