// How htmx works here. It reads its settings once the page is parsed, and modules run before that.
Object.assign(htmx.config, {
  includeIndicatorStyles: false,
  allowEval: false,
  selfRequestsOnly: true,
  historyCacheSize: 0,
  attributesToSettle: ['class'],
  refreshOnHistoryMiss: true,
  responseHandling: [
    {code: '204', swap: false},
    {code: '[23]..', swap: true},
    {code: '422', swap: true},
    {code: '[45]..', swap: false, error: true},
  ],
})
