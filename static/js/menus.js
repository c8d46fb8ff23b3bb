// Menus close on Escape and on a click beside them, and give the focus back. They open and close without this file.
const open = () => document.querySelectorAll('details:is(.switcher, .picker, [data-menu])[open]')

document.addEventListener('keydown', event => {
  if (event.key !== 'Escape') return
  for (const menu of open()) {
    // The phone's menu around it stays: one Escape closes one thing.
    event.preventDefault()
    const hadFocus = menu.contains(document.activeElement)
    menu.open = false
    if (hadFocus) menu.querySelector('summary').focus()
  }
})

// A click beside a menu may be a click on another control, which has the focus then.
function giveBack(button) {
  if (document.activeElement.tabIndex < 0) button?.focus({preventScroll: true})
}

document.addEventListener('click', ({target}) => {
  for (const menu of open()) {
    if (menu.contains(target)) continue
    menu.open = false
    giveBack(menu.querySelector('summary'))
  }
})

document.addEventListener('toggle', ({target, newState}) => {
  if (newState === 'closed' && target.popover) giveBack(document.querySelector(`[popovertarget="${target.id}"]`))
}, true)

// The phone's menu: the focus goes into it as it opens. It becomes the sidebar when the window grows.
const panel = document.getElementById('menu')
panel?.addEventListener('toggle', event => {
  if (event.newState === 'open') panel.querySelector('summary, a').focus()
})
matchMedia('(min-width: 800px)').addEventListener('change', ({matches}) => {
  if (matches && panel?.matches(':popover-open')) panel.hidePopover()
})
