//! Where the texts of a message end that a sender chooses.

use super::field::Field;
use super::format::Role;
use super::part::Part;

/// The byte of a literal that is nearest to a text.
type Near = fn(&[u8]) -> Option<&u8>;

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
        let after: Vec<&Part> = parts.iter().skip(index.saturating_add(1)).collect();
        let before: Vec<&Part> = parts.iter().take(index).rev().collect();
        let (first, last): (Near, Near) = (<[u8]>::first, <[u8]>::last);
        for (neighbours, nearest, of_the_body) in [(after, first, index < body), (before, last, index >= body)] {
            match neighbours.as_slice() {
                // It is all that is left.
                [] => {}
                [Part::Literal(text), beyond @ ..] if !text.is_empty() => {
                    let chosen = beyond.first().is_some_and(|part| part.is_chosen());
                    // No method, target or header holds a line feed or a NUL.
                    let end = nearest(text).filter(|end| of_the_body || (chosen && !matches!(end, b'\n' | 0)));
                    ends.extend(end.map(|end| (role, *end)));
                }
                [next, ..] if !of_the_body && !next.is_chosen() => {}
                // Whoever has two names for one key may be taken for either.
                [..] if ambiguous || role == Role::KeyId => {}
                [..] => {
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
