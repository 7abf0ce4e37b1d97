//! Where the texts of a message end that a sender chooses.

use super::field::Field;
use super::format::Role;
use super::part::Part;

/// A text that a sender chooses must not contain what separates it from its neighbours: two messages would be signed
/// alike. On the side of the body that is a literal; on the other side it need be one only where the neighbour is chosen,
/// too.
pub(super) fn ends(
    fields: &[(Role, Field)],
    parts: &[Part],
    ambiguous: bool,
    in_window: bool,
) -> Result<Vec<(Role, u8)>, String> {
    let body = parts.iter().position(Part::is_body).unwrap_or(parts.len());
    let mut ends = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let time = fields.iter().map(|(role, _)| *role).find(|role| role.is_time());
        let role = match part {
            Part::Nonce => Role::Nonce,
            Part::KeyId => Role::KeyId,
            Part::DeliveryId => Role::DeliveryId,
            Part::Timestamp => match time.filter(|role| role.has_no_length(in_window)) {
                Some(role) => role,
                None => continue,
            },
            _ => continue,
        };
        let step = |from: usize, ahead: bool| if ahead { from.checked_add(1) } else { from.checked_sub(1) };
        let at = |index: Option<usize>| parts.get(index?);
        let first = |text: &[u8], ahead: bool| if ahead { text.first().copied() } else { text.last().copied() };
        for (ahead, of_the_body) in [(index < body, true), (index >= body, false)] {
            let next = step(index, ahead);
            match at(next) {
                // It is all that is left.
                None => {}
                Some(Part::Literal(text)) if !text.is_empty() => {
                    let chosen = || at(next.and_then(|next| step(next, ahead))).is_some_and(Part::is_chosen);
                    // No method, target or header holds a line feed or a NUL.
                    let end = first(text, ahead).filter(|end| of_the_body || (chosen() && !matches!(end, b'\n' | 0)));
                    ends.extend(end.map(|end| (role, end)));
                }
                Some(next) if !of_the_body && !next.is_chosen() => {}
                // Whoever has two names for one key may be taken for either.
                Some(_) if ambiguous || role == Role::KeyId => {}
                Some(_) => {
                    return Err(format!(
                        "nothing separates the {} from its neighbour, so a captured message can be cut in another way: \
                         put a literal there, or say so with allow_ambiguous_message",
                        role.name()
                    ));
                }
            }
        }
    }
    Ok(ends)
}
