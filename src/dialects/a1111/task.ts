import { isRecord, jsonOf } from '../fault.ts'
import type { Interrupt, WholeAnswer } from '../plan.ts'
import { getRequest, jsonRequest } from '../requests.ts'

/** `interrupt` stops whatever is at work, so it is asked first whose that is. Older versions do not tell, and are then never interrupted. */
export const interruptOf = (taskId: string): Interrupt => ({
  progress: getRequest('/sdapi/v1/progress?skip_current_image=true'),
  isOurs: (answer) => stateOf(answer).current_task === taskId,
  isIdle(answer) {
    const { current_task, state } = stateOf(answer)
    return (current_task ?? null) === null && isRecord(state) && state.job_count === 0 // -1 while a model is loaded for a job
  },
  stop: jsonRequest('/sdapi/v1/interrupt', {}),
})

function stateOf({ body }: WholeAnswer): Readonly<Record<string, unknown>> {
  const state = jsonOf(body.toString('utf8'))
  return isRecord(state) ? state : {}
}
