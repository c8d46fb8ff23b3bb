import {announce} from './announce.js';

const TICK = 2000
const SELECTED_FOR = 10_000

// The clipboard is handed the promise of the text where it can wait: a browser forgets the click while the text comes.
async function write(promise) {
  if (!navigator.clipboard) throw new Error('no clipboard on plain HTTP')
  if (!window.ClipboardItem) return navigator.clipboard.writeText(await promise)
  const blob = promise.then(text => new Blob([text], {type: 'text/plain'}))
  return navigator.clipboard.write([new ClipboardItem({'text/plain': blob})])
}

// Puts the promised text on the clipboard; where that fails, shows it selected beside the button.
export async function copy(promise, button, said) {
  try {
    await write(promise)
  } catch {
    showSelected(await promise, button)
    return
  }
  button.classList.add('is-copied')
  setTimeout(() => button.classList.remove('is-copied'), TICK)
  announce(said)
}

function showSelected(text, button) {
  const place = button.closest('[data-secret], .snippet') ?? button.parentElement
  place.querySelector('.secret-fallback')?.remove()
  const box = document.createElement('div')
  box.className = 'secret-fallback'
  const shortcut = /Mac|iP/.test(navigator.platform) ? '⌘C' : 'Ctrl+C'
  const isTouched = matchMedia('(pointer: coarse)').matches
  const label = document.createElement('label')
  label.textContent = isTouched ? 'Select and copy' : `Press ${shortcut}`
  const several = text.trimEnd().includes('\n')
  const field = document.createElement(several ? 'textarea' : 'input')
  Object.assign(field, {value: text, readOnly: true, className: 'input', autocomplete: 'off', spellcheck: false})
  label.append(field)
  box.append(label)
  place.append(box)
  field.focus()
  field.select()
  removeWhenDone(box, field, button)
  const how = isTouched ? 'Select the text and copy it.' : `The text is selected: press ${shortcut}.`
  announce(`Your browser refused to copy. ${how}`)
}

// The box goes with the focus, or on Escape. Under a pointer that is down the page must not move: the click would miss what it was on.
function removeWhenDone(box, field, button) {
  let isPressed = false
  const done = new AbortController()
  const press = () => { isPressed = true }
  const remove = () => {
    box.remove()
    done.abort()
  }
  addEventListener('pointerdown', press, {capture: true, signal: done.signal})
  addEventListener('click', ({target}) => { if (!box.contains(target)) setTimeout(remove) }, {signal: done.signal})
  field.addEventListener('keydown', event => {
    if (event.key !== 'Escape') return
    event.preventDefault()
    button.focus()
    remove()
  })
  field.addEventListener('blur', () => { if (!isPressed) remove() })
  setTimeout(remove, SELECTED_FOR)
}
