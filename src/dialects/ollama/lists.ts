import { isRecord, jsonOf, rubbish } from '../fault.ts'
import type { LocalAnswer, Plan } from '../plan.ts'
import { localJson } from '../requests.ts'

/** A list of models without those whose names are not for its reader. An answer that is no such list is not passed on: it could hold them all. */
export const shownModels = (mayShow: (name: string) => boolean): Pick<Plan, 'reshape'> => ({
  reshape({ status, contentType, body }): LocalAnswer {
    if (status >= 400) return { status, headers: { 'content-type': contentType }, body }
    const answer = jsonOf(body.toString('utf8'))
    if (!isRecord(answer) || (answer.models !== null && !Array.isArray(answer.models))) throw rubbish('its list of models is none')
    const models = (answer.models ?? []).filter((entry: unknown) => namesOf(entry).every(mayShow))
    return localJson({ models })
  },
})

/** An entry has its name twice. One without any belongs to nobody. */
function namesOf(entry: unknown): readonly string[] {
  const names = isRecord(entry) ? [entry.name, entry.model].filter((name) => typeof name === 'string') : []
  return names.length > 0 ? names : ['']
}
