// Types are the same in any case of letters (RFC 9110, section 8.3.1), and some servers write them so.
export const isJson = (contentType: string): boolean => /^application\/(?:[\w.+-]+\+)?json\b/i.test(contentType)
export const isEventStream = (contentType: string): boolean => /^text\/event-stream\b/i.test(contentType)
