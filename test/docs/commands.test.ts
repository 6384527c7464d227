import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { beforeAll, describe, expect, it } from 'vitest'
import { programWith } from '../../src/cli/program.ts'
import { EXIT } from '../../src/cli/terminal.ts'
import { type CommandLine, commandLines, pages, ROOT, SCRIPTS } from '../support/command-lines.ts'

const page = pages().get('docs/commands.md') ?? ''
const firstCells = (text: string): string[] => [...text.matchAll(/^\| `([^`]+)` \|/gm)].map(([, cell = '']) => cell)

let program: Command
beforeAll(async () => {
  program = await programWith(() => true)
})

/** These have others below them, and do something when they are given none. */
const ACT_THEMSELVES = new Set(['key', 'usage'])

/** Commands that do something by themselves, by their words. */
function leaves(command: Command, path: readonly string[] = []): Map<string, Command> {
  const own =
    command.commands.length === 0 || ACT_THEMSELVES.has(command.name()) || path.length === 0 ? [[path.join(' '), command] as const] : []
  return new Map([...own, ...command.commands.flatMap((child) => [...leaves(child, [...path, child.name()])])])
}

/** The command that these words lead to, and what is left of them; null when there is none. */
function follow(words: readonly string[]): { command: Command; rest: readonly string[] } | null {
  let command = program
  for (const [index, word] of words.entries()) {
    const child = command.commands.find((one) => one.name() === word)
    if (child === undefined) return command.commands.length > 0 && /^[a-z]/.test(word) ? null : { command, rest: words.slice(index) }
    command = child
  }
  return { command, rest: [] }
}

const optionsIn = (words: readonly string[]): string[] => words.flatMap((word) => /^\[?(-{1,2}[a-zA-Z][a-z-]*)/.exec(word)?.[1] ?? [])
const optionOf = (command: Command, flag: string) => command.options.find(({ long, short }) => flag === long || flag === short)

describe('docs/commands.md', () => {
  const rows = new Map(
    firstCells(page.split('## Exit status')[0] ?? '').map((cell) => {
      const [, ...words] = cell.split(' ')
      const name = words.slice(0, words.findIndex((word) => !/^[a-z]/.test(word)) >>> 0)
      return [name.join(' '), optionsIn(words)]
    }),
  )

  it('has every command, and none that is gone', () => {
    expect([...rows.keys()].sort()).toEqual([...leaves(program).keys()].sort())
  })

  it('has every option of each, and none that is gone', () => {
    for (const [name, command] of leaves(program)) {
      const documented = (rows.get(name) ?? []).map((flag) => optionOf(command, flag)?.long ?? `${flag}, which is gone`)
      expect([name, documented.sort()]).toEqual([name, command.options.map(({ long }) => long).sort()])
    }
  })

  it('has every exit status', () => {
    expect(firstCells(page.split('## Exit status')[1] ?? '').map(Number)).toEqual(Object.values(EXIT))
  })
})

describe('the command lines on all pages', () => {
  const lines = commandLines()

  it('are found', () => {
    expect(lines.length).toBeGreaterThan(50)
    expect(lines.filter(({ whole }) => whole).length).toBeGreaterThan(10)
  })

  it.each(lines.map((line) => [`${line.page}: ${line.text}`, line] as const))('%s', (_title, line) => {
    expect(faultOf(line)).toBe('')
  })

  it.each([
    ['there is no command key frobnicate', ['portcullis', 'key', 'frobnicate'], false],
    ['key list has no option --every', ['portcullis', 'key', 'list', '[--every]'], false],
    ['report has no option --al', ['scripts/analyze-logs', '--al'], false],
    ['there is no scripts/nothing', ['scripts/nothing'], false],
    ["error: required option '-s, --service <rights>' not specified", ['scripts/apikey', 'generate', '-u', 'ada'], true],
  ] as const)('would be found when they are wrong: %s', (fault, words, whole) => {
    expect(faultOf({ page: '', text: '', words, whole })).toBe(fault)
  })
})

/** What is wrong with a command line; '' when nothing is. */
function faultOf({ words: [name = '', ...words], whole }: CommandLine): string {
  if (name.startsWith('scripts/') && !isExecutable(name)) return `there is no ${name}`
  if (name.startsWith('scripts/') && !Object.hasOwn(SCRIPTS, name)) return ''
  const said = [...(SCRIPTS[name] ?? []), ...words.filter((word) => word !== '…').map((word) => word.replaceAll(/^\[|\]$/g, ''))]
  const found = follow(said)
  if (found === null) return `there is no command ${said.join(' ')}`
  const unknown = optionsIn(found.rest).find((flag) => optionOf(found.command, flag) === undefined)
  if (unknown !== undefined) return `${said.slice(0, -found.rest.length).join(' ')} has no option ${unknown}`
  return whole ? refusalOf(found.command, found.rest) : ''
}

function isExecutable(script: string): boolean {
  try {
    accessSync(join(ROOT, script), constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** What commander itself would say of the words, without doing anything. */
function refusalOf(command: Command, words: readonly string[]): string {
  command.action(() => {})
  command.configureOutput({ writeErr: () => {}, writeOut: () => {} })
  try {
    command.parse([...words], { from: 'user' })
    return ''
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
