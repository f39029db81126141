//! Charts, drawn on the server. Colours come from the stylesheet, so that they fit light and dark.

use leptos::prelude::*;
use plotters::prelude::*;

/// A series of bars.
#[derive(Clone, Debug)]
pub struct Bars {
    /// What is counted, for whoever cannot see it.
    pub label: String,
    /// A number for each day.
    pub values: Vec<i64>,
}

/// Width and height in pixels of the drawing; the page scales it.
const SIZE: (u32, u32) = (480, 96);

/// Bars side by side.
#[must_use]
pub fn bars(bars: &Bars) -> AnyView {
    let svg = draw(&bars.values).unwrap_or_default();
    view! { <div class="chart" role="img" aria-label=bars.label.clone() inner_html=svg></div> }.into_any()
}

fn draw(values: &[i64]) -> Option<String> {
    let mut svg = String::new();
    let highest = values.iter().copied().max().unwrap_or(0).max(1);
    let days = i32::try_from(values.len()).ok()?;
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area).build_cartesian_2d(0..days * 10, 0..highest).ok()?;
        let bar = |(day, value): (i32, i64)| Rectangle::new([(day * 10 + 1, 0), (day * 10 + 9, value)], BLACK.filled());
        chart.draw_series((0..).zip(values.iter().copied()).map(bar)).ok()?;
        area.present().ok()?;
    }
    // It fills the place that it is given.
    Some(svg.replacen(
        &format!("width=\"{}\" height=\"{}\"", SIZE.0, SIZE.1),
        "preserveAspectRatio=\"none\" aria-hidden=\"true\"",
        1,
    ))
}

#[cfg(test)]
mod tests {
    use super::draw;

    #[test]
    fn a_chart_has_a_bar_for_each_day_and_no_style_of_its_own() {
        let svg = draw(&[0, 3, 1]).unwrap();
        assert_eq!(svg.matches("<rect").count(), 3, "{svg}");
        assert!(svg.contains("viewBox=\"0 0 480 96\"") && !svg.contains("style"), "{svg}");
        assert!(draw(&[0; 30]).is_some() && draw(&[]).is_some());
    }
}
