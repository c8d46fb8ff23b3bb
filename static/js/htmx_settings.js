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

// A button with an empty hx-post sends to its formaction, so that a row of a list names the address once.
document.addEventListener('htmx:configRequest', event => {
  const button = event.target
  if (button.getAttribute('hx-post') === '' && button.hasAttribute('formaction')) {
    event.detail.path = button.getAttribute('formaction')
  }
})
