const upperFirst = (name: string): string => `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`
const upperLast = (name: string): string => `${name.slice(0, -1)}${name.slice(-1).toUpperCase()}`
/** The long s and the Kelvin sign, which Go folds to s and k; a name without either has one more case instead. */
const lookAlike = (name: string): string => (/[sk]/.test(name) ? name.replace('s', 'ſ').replace('k', '\u212a') : upperLast(name))
export const escapedName = (name: string): string => `\\u${name.charCodeAt(0).toString(16).padStart(4, '0')}${name.slice(1)}`

/** A field of a JSON body in spellings that Go takes for it: of several it obeys the last. */
export const FIELD_SPELLINGS: Readonly<Record<string, (field: string, value: string) => string>> = {
  'in another case': (field, value) => `"${field.toUpperCase()}":${value}`,
  'with a first letter in another case': (field, value) => `"${upperFirst(field)}":${value}`,
  'in letters that look alike': (field, value) => `"${lookAlike(field)}":${value}`,
  'with an escaped letter in another case': (field, value) => `"${escapedName(upperFirst(field))}":${value}`,
  'with an escape, beside the plain one': (field, value) => `"${field}":${value},"${escapedName(field)}":${value}`,
  twice: (field, value) => `"${field}":${value},"${field}":${value}`,
}
