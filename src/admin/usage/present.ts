import type { RequestDetail, RequestView, UsageAnswer, UsageRequestsAnswer, UsageRow, UsageSkipAnswer } from '../../contract/index.ts'
import { formatMicro } from '../../kernel/index.ts'
import type {
  Counts,
  FoundRequest,
  LoggedRequest,
  RequestPage,
  Summary,
  SummaryRow,
  SummaryWanted,
  Usage,
  UsageState,
} from '../../usage/index.ts'
import { timeText } from '../texts.ts'

const presentCounts = (counts: Counts): UsageAnswer['total'] => ({
  requests: counts.requests,
  refused: counts.refused,
  tokens_in: counts.tokensIn,
  tokens_out: counts.tokensOut,
  characters: counts.characters,
  images: counts.images,
  seconds: counts.milliseconds / 1_000,
  cost: formatMicro(counts.costMicro),
})

const presentRow = (row: SummaryRow): UsageRow => ({ id: row.id, name: row.name, user: row.user, ...presentCounts(row) })

export const presentSummary = (
  { by, from, to }: SummaryWanted,
  { rows, more, total }: Summary,
  { behind, lastError }: UsageState,
): UsageAnswer => ({ by, from, to, rows: rows.map(presentRow), more, total: presentCounts(total), behind, fault: lastError })

export const presentRequest = (request: LoggedRequest): RequestView => ({
  request: request.request,
  time: timeText(request.timeMs),
  seq: request.seq,
  user: request.user,
  key: request.key,
  model: request.model,
  endpoint: request.endpoint,
  service: request.service,
  route: request.route,
  status: request.status,
  code: request.code,
  units: request.units,
  cost: formatMicro(request.costMicro),
  estimated: request.estimated,
  first_byte_ms: request.firstByteMs,
  total_ms: request.totalMs,
  bytes_in: request.bytesIn,
  bytes_out: request.bytesOut,
  ended: request.ended,
})

export const presentRequests = ({ requests, next }: RequestPage): UsageRequestsAnswer => ({ requests: requests.map(presentRequest), next })

export const presentDetail = ({ request, content, contentFault }: FoundRequest): RequestDetail => ({
  ...presentRequest(request),
  content: content && {
    prompt: content.prompt.toString('utf8'),
    answer: content.answer.toString('utf8'),
    prompt_bytes: content.promptBytes,
    answer_bytes: content.answerBytes,
  },
  content_fault: contentFault,
})

export const presentSkip = ({ from, to }: Awaited<ReturnType<Usage['skip']>>): UsageSkipAnswer => ({
  from_seq: from?.seq ?? null,
  to_seq: to.seq,
})
