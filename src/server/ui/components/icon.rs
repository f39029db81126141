//! The mark and the few icons. All are decoration beside a word, so all are hidden from screen readers.

use leptos::prelude::*;

/// The mark: a pass with a punched notch.
#[component]
pub fn Mark(
    /// Classes for its size and colour.
    #[prop(default = "size-7 text-primary")]
    class: &'static str,
) -> impl IntoView {
    view! {
        <svg class=class viewBox="0 0 32 32" fill="currentColor" aria-hidden="true">
            <path
                fill-rule="evenodd"
                d="M9 2h14a4 4 0 0 1 4 4v6a4 4 0 0 0 0 8v6a4 4 0 0 1-4 4H9a4 4 0 0 1-4-4V6a4 4 0 0 1 4-4Zm4 4a1.5 1.5 0 0 0 0 3h6a1.5 1.5 0 0 0 0-3Z"
            ></path>
        </svg>
    }
    .into_any()
}

/// What an icon shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// Good.
    Check,
    /// Over by itself.
    Hourglass,
    /// Ended by somebody.
    Cross,
    /// Resting.
    Pause,
    /// Soon.
    Clock,
    /// Attention.
    Warning,
    /// Opens something below.
    Down,
}

impl Icon {
    const fn path(self) -> &'static str {
        match self {
            Self::Check => "m3.5 8.5 3 3 6-7",
            Self::Hourglass => "M4 2.5h8M4 13.5h8M5 2.5v2L8 8l3-3.5v-2M5 13.5v-2L8 8l3 3.5v2",
            Self::Cross => "m4 4 8 8M12 4l-8 8",
            Self::Pause => "M5.5 3.5v9M10.5 3.5v9",
            Self::Clock => "M8 4.5V8l2.5 1.5M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z",
            Self::Warning => "M8 6v3.5M8 12v.1M8 2 1.5 13.5h13L8 2Z",
            Self::Down => "m4 6 4 4 4-4",
        }
    }

    /// The icon at the size of the text beside it.
    #[must_use]
    pub fn view(self) -> AnyView {
        view! {
            <svg
                class="inline-block size-4 shrink-0"
                viewBox="0 0 16 16"
                fill="none"
                stroke="currentColor"
                stroke-width="1.75"
                stroke-linecap="round"
                stroke-linejoin="round"
                aria-hidden="true"
            >
                <path d=self.path()></path>
            </svg>
        }
        .into_any()
    }
}
