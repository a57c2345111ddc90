//! The order of a drive: what cannot be, where a sequence ends, which pictures are too near to each other. Pure.

/// Clocks that count whole seconds, and receivers that jitter, are forgiven this much (seconds).
const SLACK_S: f64 = 1.0;
/// So many pictures beside each other may be wrong before the drive is taken to go on elsewhere.
const BURST: usize = 3;

/// A picture on its way.
#[derive(Debug, Clone, Copy)]
pub struct Spot {
    /// Place in metres.
    pub at: [f64; 2],
    /// Milliseconds since 1970, where its own time is known.
    pub time: Option<i64>,
}

/// What ends a sequence, and what cannot be.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Longest pause (seconds).
    pub gap_s: f64,
    /// Longest way between two pictures (metres).
    pub gap_m: f64,
    /// Highest speed (metres per second).
    pub speed: f64,
}

/// What becomes of a picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It follows the one before.
    Follows,
    /// It begins a sequence.
    Begins,
    /// It begins a sequence, for clock or place jump before it: said here.
    Jumps(String),
    /// It cannot be where or when it says: said here.
    Outlier(String),
}

pub fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// Why a picture cannot come after another; whether times say it, or the way alone.
struct Clash {
    reason: String,
    timed: bool,
}

impl Rules {
    fn clash(&self, a: &Spot, b: &Spot) -> Option<Clash> {
        let way = distance(a.at, b.at);
        let Some((from, to)) = a.time.zip(b.time) else {
            let reason = || format!("it is {way:.0} m away from the picture before");
            return (way > self.gap_m).then(|| Clash { reason: reason(), timed: false });
        };
        let seconds = to.saturating_sub(from) as f64 / 1000.0;
        if seconds < 0.0 {
            return Some(Clash { reason: format!("its clock goes back by {:.1} s", -seconds), timed: true });
        }
        if way > self.speed * (seconds + SLACK_S) {
            let reason = format!("it is {way:.0} m away from the picture {seconds:.1} s before: nobody drives that fast");
            return Some(Clash { reason, timed: true });
        }
        None
    }

    fn begins(&self, a: &Spot, b: &Spot) -> bool {
        let pause = a.time.zip(b.time).map_or(0.0, |(from, to)| to.saturating_sub(from) as f64 / 1000.0);
        pause > self.gap_s || distance(a.at, b.at) > self.gap_m
    }

    /// What becomes of the pictures of a run, in their order.
    ///
    /// A picture that does not agree with the last good one is an outlier when one of the next three does again. Else the drive goes on from
    /// there, if the two after it agree with it: a jump, which begins a sequence. A picture without such witnesses is an outlier too; so is
    /// one that a pause or gap sets apart, when what follows agrees with the one before it instead.
    pub fn fates(&self, spots: &[Spot]) -> Vec<Fate> {
        let mut fates: Vec<Fate> = Vec::with_capacity(spots.len());
        let mut last: Option<usize> = None;
        // The good one before the last.
        let mut earlier: Option<usize> = None;
        let agree = |a: usize, b: usize| spots.get(b).is_some_and(|to| self.clash(&spots[a], to).is_none());
        while fates.len() < spots.len() {
            let index = fates.len();
            let Some(before) = last else {
                // Nobody knows yet who is right: the first is wrong when those after it agree without it.
                let clash = spots.get(index + 1).and_then(|next| self.clash(&spots[index], next)).filter(|clash| clash.timed);
                match clash {
                    Some(_) if agree(index + 1, index + 2) && !agree(index, index + 2) => {
                        let reason = "the pictures after it were taken elsewhere, or at another time";
                        fates.push(Fate::Outlier(reason.to_owned()));
                    }
                    _ => {
                        fates.push(Fate::Begins);
                        last = Some(index);
                    }
                }
                continue;
            };
            let Some(clash) = self.clash(&spots[before], &spots[index]) else {
                let begins = self.begins(&spots[before], &spots[index]);
                fates.push(if begins { Fate::Begins } else { Fate::Follows });
                (earlier, last) = (last, Some(index));
                continue;
            };
            let alone = clash.timed && fates[before] == Fate::Begins;
            if let Some(witness) = earlier.filter(|witness| alone && agree(*witness, index) && agree(*witness, index + 1)) {
                let reason = "the pictures before and after it were taken at another time, or elsewhere";
                fates[before] = Fate::Outlier(reason.to_owned());
                (earlier, last) = (None, Some(witness));
                continue;
            }
            if let Some(back) = (index + 1..=index + BURST).find(|later| agree(before, *later)) {
                // The way back within the longest gap tells an outlier from a drive that goes on.
                for wrong in index..back {
                    let reason = self.clash(&spots[before], &spots[wrong]).map_or_else(|| clash.reason.clone(), |own| own.reason);
                    fates.push(Fate::Outlier(reason));
                }
            } else if !clash.timed {
                fates.push(Fate::Begins);
                (earlier, last) = (last, Some(index));
            } else if agree(index, index + 1) && agree(index + 1, index + 2) {
                fates.push(Fate::Jumps(clash.reason));
                (earlier, last) = (None, Some(index));
            } else {
                fates.push(Fate::Outlier(clash.reason));
            }
        }
        fates
    }
}

/// Which of the pictures of a sequence stay: the first, and each that is at least so far from the last that stays.
pub fn thin(places: &[[f64; 2]], spacing: f64) -> Vec<bool> {
    let mut last: Option<[f64; 2]> = None;
    let stays = |at: &[f64; 2]| {
        // Half a centimetre is the rounding of the tables.
        let stays = last.is_none_or(|last| distance(last, *at) >= spacing - 0.005);
        if stays {
            last = Some(*at);
        }
        stays
    };
    places.iter().map(stays).collect()
}

/// Metres from the beginning for each place.
pub fn chainages(places: &[[f64; 2]]) -> Vec<f64> {
    let mut sum = 0.0;
    let mut before: Option<[f64; 2]> = None;
    let step = |at: &[f64; 2]| {
        sum += before.map_or(0.0, |before| distance(before, *at));
        before = Some(*at);
        sum
    };
    places.iter().map(step).collect()
}

/// Speed (km/h) at each picture, from the ways to and from its neighbours; from chainages (metres) and times (milliseconds).
pub fn speeds(chainages: &[f64], times: &[Option<i64>]) -> Vec<Option<f64>> {
    let last = chainages.len().saturating_sub(1);
    let speed = |index: usize| {
        let (from, to) = (index.saturating_sub(1), (index + 1).min(last));
        let seconds = times.get(to)?.zip(*times.get(from)?).map(|(to, from)| to.saturating_sub(from) as f64 / 1000.0)?;
        (seconds > 0.0).then(|| (chainages[to] - chainages[from]) / seconds * 3.6)
    };
    (0..chainages.len()).map(speed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: Rules = Rules { gap_s: 10.0, gap_m: 20.0, speed: 150.0 / 3.6 };

    /// A drive eastwards, a picture every 5 m and half a second.
    fn drive(count: usize) -> Vec<Spot> {
        (0..count).map(|k| Spot { at: [k as f64 * 5.0, 0.0], time: Some(1_000_000 + k as i64 * 500) }).collect()
    }
    fn outliers(fates: &[Fate]) -> Vec<usize> {
        fates.iter().enumerate().filter(|(_, fate)| matches!(fate, Fate::Outlier(_))).map(|(index, _)| index).collect()
    }
    fn begins(fates: &[Fate]) -> Vec<usize> {
        let new = |fate: &Fate| matches!(fate, Fate::Begins | Fate::Jumps(_));
        fates.iter().enumerate().filter(|(_, fate)| new(fate)).map(|(index, _)| index).collect()
    }

    #[test]
    fn pauses_and_gaps_begin_sequences() {
        let mut spots = drive(30);
        for spot in &mut spots[10..] {
            spot.time = spot.time.map(|time| time + 10_600);
        }
        for spot in &mut spots[20..] {
            spot.at[1] += 21.0;
        }
        let fates = RULES.fates(&spots);
        assert_eq!((begins(&fates), outliers(&fates)), (vec![0, 10, 20], vec![]));
    }

    #[test]
    fn what_cannot_be_is_an_outlier_and_the_drive_goes_on() {
        let mut spots = drive(30);
        spots[0].at = [9000.0, 0.0];
        spots[7].at = [0.0, 5000.0];
        spots[12].time = Some(5);
        spots[13].time = Some(6);
        spots[20].time = spots[20].time.map(|time| time + 3_600_000);
        spots[29].at = [0.0, 5000.0];
        let fates = RULES.fates(&spots);
        assert_eq!((begins(&fates), outliers(&fates)), (vec![1], vec![0, 7, 12, 13, 20, 29]));
        let said = |index: usize| if let Fate::Outlier(reason) = &fates[index] { reason.clone() } else { String::new() };
        assert_eq!(said(12), "its clock goes back by 1005.5 s");
        assert_eq!(said(7), "it is 5000 m away from the picture 0.5 s before: nobody drives that fast");
    }

    #[test]
    fn a_clock_that_stays_wrong_begins_a_sequence_and_loses_nothing() {
        let mut spots = drive(30);
        for spot in &mut spots[15..] {
            spot.time = spot.time.map(|time| time - 3_600_000);
        }
        let fates = RULES.fates(&spots);
        assert_eq!((begins(&fates), outliers(&fates)), (vec![0, 15], vec![]));
        assert_eq!(fates[15], Fate::Jumps("its clock goes back by 3599.5 s".to_owned()));
    }

    #[test]
    fn without_times_the_way_alone_decides() {
        let mut spots = drive(20);
        spots[5].at = [25.0, 900.0];
        for (index, spot) in spots.iter_mut().enumerate() {
            spot.time = None;
            spot.at[0] += if index >= 12 { 500.0 } else { 0.0 };
        }
        let fates = RULES.fates(&spots);
        assert_eq!((begins(&fates), outliers(&fates)), (vec![0, 12], vec![5]));
    }

    #[test]
    fn a_standing_car_is_thinned_and_a_slow_one_too() {
        let places: Vec<[f64; 2]> = (0..10).map(|k| [f64::from(k), 0.0]).chain((0..5).map(|_| [9.0, 0.1])).collect();
        let stays = thin(&places, 3.0);
        assert_eq!(stays.iter().filter(|stays| **stays).count(), 4);
        assert!(thin(&places, 0.0).iter().all(|stays| *stays));
        assert_eq!(chainages(&[[0.0, 0.0], [3.0, 4.0], [3.0, 5.0]]), [0.0, 5.0, 6.0]);
        let speeds = speeds(&[0.0, 5.0, 15.0], &[Some(0), Some(500), Some(1500)]);
        assert_eq!(speeds, [Some(36.0), Some(36.0), Some(36.0)]);
    }

    proptest! {
        /// Whatever comes, each picture has a fate, the first that is kept begins a sequence, and kept neighbours agree.
        #[test]
        fn kept_neighbours_agree(steps in proptest::collection::vec((-60.0..60.0_f64, -60.0..60.0_f64, -3000_i64..9000, any::<bool>()), 0..60)) {
            let (mut at, mut time) = ([0.0, 0.0], 0);
            let spots: Vec<Spot> = steps.iter().map(|(x, y, step, timed)| {
                at = [at[0] + x, at[1] + y];
                time += step;
                Spot { at, time: timed.then_some(time) }
            }).collect();
            let fates = RULES.fates(&spots);
            prop_assert_eq!(fates.len(), spots.len());
            let mut last: Option<usize> = None;
            for (index, fate) in fates.iter().enumerate() {
                match fate {
                    Fate::Outlier(_) => continue,
                    Fate::Follows => {
                        let before = last.unwrap();
                        prop_assert!(RULES.clash(&spots[before], &spots[index]).is_none());
                        prop_assert!(!RULES.begins(&spots[before], &spots[index]));
                    }
                    Fate::Begins | Fate::Jumps(_) => {}
                }
                last = Some(index);
            }
        }
    }
}
