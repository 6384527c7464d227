import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The pages that people read, by their names from the package's root. */
export function pages(): ReadonlyMap<string, string> {
  const names = ['README.md', 'ARCHITECTURE.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md']
  const docs = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'))
  return new Map([...names, ...docs.map((name) => `docs/${name}`)].map((page) => [page, readFileSync(join(ROOT, page), 'utf8')]))
}

export interface CommandLine {
  readonly page: string
  /** As the page has it, for messages. */
  readonly text: string
  /** From `portcullis` on, or from a script that stands for it; unquoted. */
  readonly words: readonly string[]
  /** True in a block to be pasted: then it must be complete. Sentences may leave out what they do not speak of. */
  readonly whole: boolean
}

/** What the scripts stand for. */
export const SCRIPTS: Readonly<Record<string, readonly string[]>> = {
  'scripts/apikey': ['key'],
  'scripts/analyze-logs': ['report'],
  'scripts/demo': ['demo'],
}

/** Every command line of ours on every page: in shell blocks, and between backquotes. */
export function commandLines(): readonly CommandLine[] {
  return [...pages()].flatMap(([page, content]) => {
    const { blocks, sentences } = partsOf(content)
    const pasted = blocks.filter(({ language }) => SHELLS.has(language)).flatMap(({ text }) => text.split('\n'))
    const quoted = [...sentences.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)
    return [...pasted.map((text) => ({ text, whole: true })), ...quoted.map((text) => ({ text, whole: false }))].flatMap(
      ({ text, whole }) => ours(text).map((words) => ({ page, text, words, whole })),
    )
  })
}

const SHELLS: ReadonlySet<string> = new Set(['', 'sh', 'ini'])

export interface Block {
  readonly language: string
  readonly text: string
}

/** A page's fenced blocks, and what stands between them. */
export function partsOf(content: string): { readonly blocks: readonly Block[]; readonly sentences: string } {
  const parts = content.split(/^```([a-z]*)\n/m) // text, fence, block, fence, text …: every second fence closes
  const blocks: Block[] = []
  let sentences = ''
  for (let at = 0; at < parts.length; at += 2) {
    if (at % 4 === 0) sentences += parts[at] ?? ''
    else blocks.push({ language: parts[at - 1] ?? '', text: parts[at] ?? '' })
  }
  return { blocks, sentences }
}

/** How our programs are called: by name, through npx, in a container, by file, as a script. */
const OURS =
  /(?:(?:^|\$\(|\bnpx |\bexec [a-z-]+ |\/cli\/)(?<program>portcullis(?:\.js)?)|(?:^|[\s/])(?<script>scripts\/[a-z-]+))(?=\s|$)(?<rest>.*)$/

function ours(text: string): readonly (readonly string[])[] {
  return text.split(/\||&&|;/).flatMap((part) => {
    const { program, script, rest = '' } = OURS.exec(part.replace(/(?:^|\s)#.*$/, '').trim())?.groups ?? {}
    const name = program ?? script
    return name === undefined ? [] : [[name, ...wordsOf(rest.replace(/\s[<>].*$/, ''))]]
  })
}

/** Words as a shell has them, near enough for what stands in documents. */
function wordsOf(text: string): readonly string[] {
  return [...text.replace(/\)+\s*$/, '').matchAll(/'[^']*'|"[^"]*"|\S+/g)].map(([word]) => word.replaceAll(/^['"]|['"]$/g, ''))
}
