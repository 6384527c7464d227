import type { Readable } from 'node:stream'
import type { BusboyFileStream, BusboyInstance } from '@fastify/busboy'
import { clip, GatewayError, LIMITS } from '../../kernel/index.ts'
import { cleanName, cleanType, formEndedEarly, formParser, invalidForm, namelessPart, tooLongField, tooManyParts } from './form-parts.ts'
import { UNKNOWN_FIELD, unknownField } from './input.ts'
import { Options } from './options.ts'

export interface FormRules {
  /** Names under which the one file may come. */
  readonly fileParts: ReadonlySet<string>
  /** The options, and the name each of their spellings stands for. */
  readonly options: Readonly<Record<string, string>>
  /** Whether fields of other names are kept, for a backend that may know them, or refused. */
  readonly keepsOthers?: true
  /** True when the request has said its options elsewhere, so that the file need not wait for any. */
  readonly optionsKnown: boolean
  /** True when options may follow the file, wherever the first of them stands. */
  readonly optionsMayFollow?: true
}

export interface FormFile {
  readonly stream: BusboyFileStream
  readonly filename: string
  readonly contentType: string
}

export const BUFFERED_BYTES = 256 * 1024

/**
 * A multipart form read as it comes. The file may be taken while it is still arriving; what follows it is read to the end all the same,
 * because only the last boundary tells that nothing is missing.
 */
export class FormReader {
  /** Options by their proper names. */
  readonly options = new Options()
  /** Fields of other names, in their order. */
  readonly others: (readonly [name: string, value: string])[] = []
  /** The file, once it begins. */
  readonly begun: Promise<FormFile>
  /** How the form ended: null when it is whole. */
  readonly over: Promise<GatewayError | null>
  error: GatewayError | null = null
  readonly #source: Readable
  readonly #rules: FormRules
  readonly #parser: BusboyInstance
  #file: BusboyFileStream | null = null
  #sawOption: boolean
  #closed = false
  #begin: (file: FormFile) => void = () => {}
  #failBegin: (error: GatewayError) => void = () => {}
  #finish: (error: GatewayError | null) => void = () => {}

  constructor(source: Readable, contentType: string, rules: FormRules) {
    this.#source = source
    this.#rules = rules
    this.#sawOption = rules.optionsKnown
    this.#parser = parserFor(contentType, rules)
    this.begun = new Promise((resolve, reject) => {
      this.#begin = resolve
      this.#failBegin = reject
    })
    this.begun.catch(() => {}) // told again by whoever awaits it
    this.over = new Promise((resolve) => {
      this.#finish = resolve
    })
    this.#parser
      .on('file', (name, stream, filename, _encoding, type) => this.#onFile(name, stream, filename, type))
      .on('field', (name, value, _nameCut, valueCut) => this.#onField(name, value, valueCut))
      .on('partsLimit', () => this.#fail(tooManyParts()))
      .on('fieldsLimit', () => this.#fail(tooManyParts()))
      .on('error', () => this.#fail(formEndedEarly()))
      .on('finish', () => this.#onFinish())
    source.on('error', (error) => this.#fail(error instanceof GatewayError ? error : formEndedEarly()))
    source.pipe(this.#parser)
  }

  /** True when options have come before the file: then it need not wait for any. */
  get optionsCameFirst(): boolean {
    return this.#sawOption && !this.#rules.optionsMayFollow
  }

  /** Nobody wants the rest. What still comes is thrown away, so that the caller can read its answer. */
  abandon(): void {
    if (this.#closed) return
    this.#closed = true
    this.#source.unpipe(this.#parser)
    this.#file?.destroy(this.error ?? undefined)
    this.#source.destroy()
  }

  #fail(error: GatewayError): void {
    if (this.#closed) return
    this.error = error
    this.abandon()
    this.#failBegin(error)
    this.#finish(error)
  }

  #onFile(name: string | undefined, stream: BusboyFileStream, filename: string, type: string): void {
    stream.on('error', () => {}) // a form that ends within its file is told by the parser itself
    const wrong = this.#wrongFile(name ?? '')
    if (wrong !== null) {
      this.#fail(wrong)
      return
    }
    this.#file = stream
    this.#begin({ stream, filename: cleanName(filename, 'audio'), contentType: cleanType(type) })
  }

  #wrongFile(part: string): GatewayError | null {
    const { fileParts } = this.#rules
    if (!fileParts.has(part))
      return invalidForm(`${clip(part, LIMITS.nameCharsMax)}: the file must be the part ${names(fileParts)}`, 'a file of another name')
    return this.#file === null ? null : invalidForm('There are two files in this form; send one')
  }

  #onField(spelled = '', value: string, cut: boolean): void {
    const wrong = this.#wrongField(spelled, value, cut)
    if (wrong !== null) this.#fail(wrong)
    else if (this.#file === null) this.#sawOption = true
  }

  #wrongField(spelled: string, value: string, cut: boolean): GatewayError | null {
    if (spelled === '') return namelessPart()
    const { fileParts, options, keepsOthers } = this.#rules
    const name = Object.hasOwn(options, spelled) ? options[spelled] : undefined
    if (name === undefined && keepsOthers && OTHER_NAME.test(spelled) && !cut) {
      if (this.#file !== null && this.optionsCameFirst) return tooLate(spelled)
      this.others.push([spelled, value])
      return null
    }
    if (name === undefined) return invalidForm(unknownField(spelled, [...fileParts, ...Object.keys(options)]), UNKNOWN_FIELD)
    if (cut) return tooLongField(spelled)
    return this.#file !== null && this.optionsCameFirst ? tooLate(spelled) : this.options.add(spelled, name, value)
  }

  #onFinish(): void {
    if (this.#closed) return
    if (this.#file === null) {
      this.#fail(invalidForm(`There is no file in this form; send it as the part ${names(this.#rules.fileParts)}`))
      return
    }
    this.#closed = true
    this.#finish(null)
  }
}

const OTHER_NAME = /^[a-z][a-z0-9_]{0,63}(?:\[[a-z0-9_]{0,63}\]){0,3}$/
const OTHERS_MAX = 32

const parserFor = (contentType: string, { options, keepsOthers }: FormRules): BusboyInstance =>
  formParser(contentType, {
    fileHwm: BUFFERED_BYTES,
    fields: Object.keys(options).length + (keepsOthers ? OTHERS_MAX : 0),
    // `curl -F file=<x.wav` sends a file without its name.
    isPartAFile: (name, _type, filename) => filename !== undefined || (name !== undefined && FILE_NAMES.has(name)),
  })

const FILE_NAMES = new Set(['file', 'audio_file', 'audio'])

const tooLate = (name: string): GatewayError =>
  invalidForm(`${name}: came after the file, when that was on its way already; put all options before the file, or in the query`)

const names = (parts: ReadonlySet<string>): string => [...parts].join(' or ')
