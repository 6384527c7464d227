const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB
const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS

/** Every bound of the gateway, unit last in the name. Those a person may change are defaults of a setting in docs/configuration.md. */
export const LIMITS = {
  // the connection
  headerBlockBytesMax: 16 * KiB,
  headersMax: 100,
  headersMsMax: 10 * SECOND_MS,
  connectionsCheckMs: 1 * SECOND_MS,
  keepAliveMs: 125 * SECOND_MS, // above Caddy's 2 min idle time, or the proxy meets a socket we have just closed
  connectionsPerAddressMax: 100,
  pipelinedRequestsMax: 16, // waiting behind the one that is being answered
  connectionsMax: 10_000, // of the process, or half of the files it may open

  // bodies
  chatBodyBytesMax: 32 * MiB,
  imageBodyBytesMax: 48 * MiB,
  audioBodyBytesMax: 200 * MiB,
  speechBodyBytesMax: 64 * KiB,
  adminBodyBytesMax: 256 * KiB,
  importBodyBytesMax: 4 * MiB,
  importFileBytesMax: 3 * MiB, // leaves room for what JSON adds around it in the body
  blobBodyBytesMax: 64 * GiB,
  bodyIdleMsMax: 30 * SECOND_MS,
  bodyFloorBytesPerS: 1 * KiB,
  bodiesInMemoryBytesMax: 512 * MiB,
  unwantedBodyMsMax: 2 * SECOND_MS,
  unwantedBodyBytesMax: 64 * MiB,
  jsonDepthMax: 64,
  jsonKeysMax: 20_000,
  jsonOuterKeysMax: 256,
  jsonWholeBytesMax: 1 * MiB, // above, only the guarded fields are parsed: 32 MiB of numbers take 0.7 s
  jsonFieldBytesMax: 1 * MiB, // of one of those
  jsonContainersMax: 100_000, // 10 MB of `{}` blocks the event loop for 2 s
  jsonStringsMax: 1_000_000, // keys included; ten million empty ones took 0.7 s
  spoolBytesMax: 2 * GiB,
  formFieldBytesMax: 64 * KiB,
  formPartsMax: 64,

  // what media routes take
  nameCharsMax: 128, // of a voice, a sampler, a model
  imageSidePxMin: 64,
  imageSidePxMax: 2_048,
  imageUpscaledSidePxMax: 4_096,
  imageStepsMax: 150,
  imagesPerJobMax: 16,
  transcriptPromptCharsMax: 4_096, // goes into a query for some backends; Whisper itself reads 224 tokens of it

  // answers
  answerSliceBytes: 64 * KiB,
  deadBufferBytesMax: 16 * MiB,
  wholeAnswerBytesMax: 96 * MiB,
  errorAnswerBytesMax: 64 * KiB,
  backendSentenceCharsMax: 300,
  usageTailBytesMax: 1 * MiB,
  afterLastEventMsMax: 1 * SECOND_MS,
  clientStallMsMax: 60 * SECOND_MS,

  // deadlines towards backends
  connectMsMax: 10 * SECOND_MS,
  chatFirstByteMsMax: 10 * MINUTE_MS,
  imageFirstByteMsMax: 15 * MINUTE_MS,
  whisperFirstByteMsMax: 15 * MINUTE_MS,
  speechFirstByteMsMax: 60 * SECOND_MS,
  plainFirstByteMsMax: 60 * SECOND_MS,
  idleMsMax: 5 * MINUTE_MS,
  totalMsMax: 60 * MINUTE_MS,
  probeMsMax: 3 * SECOND_MS,
  probeEveryMs: 15 * SECOND_MS,
  voicesEveryMs: 1 * MINUTE_MS,
  voicesBytesMax: 4 * MiB,
  probeAgainMs: 1 * SECOND_MS, // before a state is believed to have changed
  queueWaitMsMax: 5 * MINUTE_MS,
  queueLengthMax: 64,
  drainMsMax: 30 * SECOND_MS,
  breakerFailures: 5, // in a row
  breakerOpenMs: 5 * SECOND_MS,
  breakerOpenMsMax: 2 * MINUTE_MS,
  fallbacksMax: 4, // models asked one after another for one request
  heartbeatMs: 15 * SECOND_MS,
  tokensOutGuess: 1_024, // of a request that sets no bound itself

  // Ollama bodies of ordinary keys
  ollamaKeepAliveMsMin: 1 * MINUTE_MS,
  ollamaKeepAliveMsMax: 30 * MINUTE_MS,
  ollamaNumCtxMax: 131_072,

  // endpoints and models
  endpointsMax: 1_000,
  modelsMax: 100_000,
  listPageEntitiesMax: 1_000,
  discoverEveryMs: 1 * MINUTE_MS,
  discoverMsMax: 3 * SECOND_MS,
  discoverBytesMax: 4 * MiB,
  discoveredModelsMax: 10_000, // of one endpoint
  discoveredKeepMs: 10 * MINUTE_MS, // after the last answer of an endpoint that fails
  allowedListsMax: 64, // of models that a kind of keys may use, kept until the models change
  allowedModelsMax: 500_000, // in all of those lists: 60 MB as GET /v1/models tells them
  closeMatchesKept: 16, // for each list: who has a name wrong goes on asking for it
  closeMatchStepsMax: 200_000, // of comparing letters: 3 ms among 10,000 names, since whoever asks for one that is not there must not hold the loop

  // keys
  keyConcurrencyDefault: 100,
  rateCountMax: 1_000_000, // an exact window remembers each call in it: 8 bytes times this at most
  listPageKeysMax: 1_000, // about 2 ms of the event loop
  idleKeySweepMs: 1 * MINUTE_MS,
  sweptAtOnceMax: 2_000, // entries of the counters between two turns of the event loop: about 1 ms
  requestTokensMax: 1_000_000_000, // a backend may say anything of what it used
  requestCostMicroMax: 1_000_000_000_000_000, // a thousand million: nine such sums are exact still
  failedKeysPerMinuteMax: 20,
  throttleMsMax: 15 * MINUTE_MS,
  throttledAddressesMax: 50_000,
  verifiedKeysMax: 200_000,
  deniedKeysMax: 50_000,
  argonQueueMax: 512, // 500 different good keys at once after a restart must all pass
  argonWaitMsMax: 30 * SECOND_MS,
  argonWaitingPerKeyMax: 2,
  argonWaitingPerAddressMax: 2,
  argonFailuresForgiven: 5, // one stale device must not make its whole office wait two by two
  secretFileBytesMax: 64 * KiB,
  rotationGraceMsDefault: 24 * HOUR_MS,
  rotationReplayMs: 10 * MINUTE_MS,
  lastUsedFlushMs: 1 * MINUTE_MS,

  // the ledger
  ledgerRotateMiB: 64,
  ledgerKeepDays: 400,
  ledgerKeepBytesMax: 20 * GiB,
  ledgerKeepDaysMin: 30,
  ledgerSealLines: 1_000,
  ledgerSealMs: 10 * SECOND_MS,
  ledgerWaitingOutcomesMax: 10_000,
  ledgerWaitingLinesMax: 50_000,
  ledgerBatchBytesMax: 1 * MiB,
  ledgerOutcomeMsMax: 5, // outcomes ride with the next intent, and wait at most this long for one
  ledgerRefusalMsMax: 250, // refusals alone are never a reason to write at once
  ledgerStallMsMax: 10 * SECOND_MS, // a disk that answers later than this counts as gone
  ledgerReopenMs: 250,
  ledgerFreeBytesMin: 64 * KiB, // a segment is not opened on a disk that is about to be full again
  ledgerUpkeepMs: 10 * MINUTE_MS,
  ledgerUnfinishedMax: 100_000,
  refusalsPerAddressPerMinute: 20,
  refusalsPerMinute: 200,
  refusalsPerKeyPerMinute: 60, // whole lines: enough to show a walk through 40 unknown paths, which is an alarm
  refusalsOfKeysPerMinute: 1_000,
  refusalSummaryMs: 10 * SECOND_MS,
  refusalAddressesMax: 10_000, // and as many keys
  refusalSummariesMax: 48, // lines per summary round; further addresses share the line of `*`
  refusalSamplesMax: 3,
  refusalSampleBytesMax: 48, // of a path or reason, as they stand in the line
  rawPathCharsMax: 256,
  userAgentCharsMax: 128,
  modelCharsMax: 128,

  // the store, which two threads write
  storeBusyMsMax: 5 * SECOND_MS, // how long one waits for the other; their transactions take milliseconds

  // usage
  usageTellMs: 250, // how often the thread that follows the ledger is told how far it may read
  usageFirstTellMs: 1 * SECOND_MS, // a gateway that has just started has better things to do
  usageBatchLinesMax: 500, // in one transaction, which nobody else can write beside
  usageWindowLinesMax: 20_000, // read before they are applied: a compressed segment is unpacked from its beginning for each
  usageTryAgainMs: 1 * SECOND_MS,
  usageCatchUpMsMax: 2 * SECOND_MS, // that somebody who asks waits for the latest lines
  usageUpToDateMsMax: 10 * SECOND_MS, // that an account waits for them before it is opened or closed
  usageSlowMs: 2 * SECOND_MS, // after which a start says how far it is
  usageUpkeepMs: 1 * HOUR_MS,
  usageRestartMsMax: 1 * MINUTE_MS,
  usageStopMsMax: 5 * SECOND_MS,
  usageHeapMiBMax: 256,
  usageYoungMiBMax: 4, // of the same; what it reads is soon forgotten, and 48 MiB for that are 15 MiB more in memory than it needs
  usageLogDays: 90,
  usageCountDays: 800,
  usageModelsPerKeyAndDayMax: 500, // a caller may name as many as he likes
  usageRowsMax: 1_000,
  usageRequestsMax: 1_000,
  usageContentBytesMax: 64 * KiB, // of a prompt, and of an answer
  usageContentDays: 7,
  usageContentTotalBytesMax: 1 * GiB,
  usageContentWaitingBytesMax: 16 * MiB,

  // the report: whoever writes the log chooses how many of each there are
  reportChunkBytes: 256 * KiB, // also the longest stretch of work between two turns of the event loop: about 3 ms
  reportThriftyBytes: 176 * MiB, // of resident memory, after which garbage is collected more often
  reportLineBytesMax: 1 * MiB,
  reportAddressesMax: 200_000, // counted exactly up to here
  reportSuspectsMax: 3_000,
  reportKeysMax: 10_000,
  reportUsersMax: 5_000,
  reportRoutesMax: 1_000,
  reportEndpointsMax: 3_000,
  reportNamesMax: 1_000, // services, models, methods, codes
  reportPerSubjectMax: 64, // addresses of a user, key ids of an address, networks of a key
  reportOpenIntentsMax: 100_000,
  reportEvidenceLinesMax: 10,
  reportMalformedShownMax: 20,
  reportThreatsMax: 1_000,
  reportRowsShownMax: 20,
  reportHabitHoursMax: 504, // three weeks of a key's busy hours
  reportHabitDaysMax: 28, // how far before --hours the habit of a key is learnt
} as const
